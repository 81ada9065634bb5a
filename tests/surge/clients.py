"""Many customers at many addresses: as fast as they are answered, or ten times as fast as anybody could answer them."""

import asyncio
import itertools
import time
from collections.abc import Coroutine, Iterable, Iterator
from dataclasses import dataclass
from statistics import median
from uuid import uuid4

from bearer import Tokens
from bench.client import BrokenOffError, Connection, request
from native.ports import HOST

CUSTOMERS = 1000
ADDRESSES = 200  # so that the edge's limit for each is not what refuses
CONNECTIONS = 400


@dataclass(frozen=True)
class Asked:
    """One order that was asked for, and what came of it; 0 where the connection broke off."""

    status: int
    seconds: float


def of(asked: list[Asked], *statuses: int) -> list[float]:
    """How long the answers with these took."""
    return [each.seconds for each in asked if each.status in statuses]


def typical(asked: list[Asked], *statuses: int) -> float:
    """The median of the same."""
    return median(of(asked, *statuses))


class Crowd:
    """Places orders of one product at the edge."""

    def __init__(self, edge: int, sku: str, tokens: Tokens) -> None:
        self._edge = edge
        self._sku = sku
        self._headers = itertools.cycle(tokens.header(f"crowd-{number}") for number in range(CUSTOMERS))
        self._addresses = itertools.cycle(f"127.0.1.{number}" for number in range(1, ADDRESSES + 1))

    async def closed(self, clients: int, seconds: float) -> list[Asked]:
        """Each client orders again as soon as it is answered."""
        end = time.monotonic() + seconds
        return await self._all(self._client(itertools.repeat(0.0), end) for _ in range(clients))

    async def open(self, per_second: float, seconds: float) -> list[Asked]:
        """Orders begin at their times, whatever became of the earlier ones; a connection that still waits is late."""
        start = time.monotonic()
        gap = CONNECTIONS / per_second
        times = (itertools.count(start + gap * number / CONNECTIONS, gap) for number in range(CONNECTIONS))
        return await self._all(self._client(each, start + seconds) for each in times)

    @staticmethod
    async def _all(clients: Iterable[Coroutine[None, None, list[Asked]]]) -> list[Asked]:
        found = await asyncio.gather(*clients)
        return [asked for some in found for asked in some]

    async def _client(self, times: Iterator[float], end: float) -> list[Asked]:
        asked: list[Asked] = []
        connection = await self._connect()
        for begin in times:
            if max(begin, now := time.monotonic()) >= end:
                break
            if begin > now:
                await asyncio.sleep(begin - now)
            began = time.perf_counter()
            try:
                status = (await connection.request(self._order())).status
            except BrokenOffError:
                status, connection = 0, await self._connect()
            asked.append(Asked(status, time.perf_counter() - began))
        connection.close()
        return asked

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            Connection, HOST, self._edge, local_addr=(next(self._addresses), 0)
        )
        return connection

    def _order(self) -> bytes:
        body = {
            "items": [{"sku": self._sku, "quantity": 1}],
            "payment_token": "tok_ok",
            "email": "crowd@customers.example",
        }
        return request("POST", "/orders", body, idempotency_key=str(uuid4()), **next(self._headers))
