"""Many customers at many addresses: as fast as they are answered, or ten times as fast as anybody could answer them.

They ask from the same two cores, so what they cost is lost to the shop: ready-made bytes, and a loop of their own, the
services' own kind, in a thread.
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar
from uuid import uuid4

import uvloop

from bearer import Tokens
from bench.client import Answer, BrokenOffError, Connection, request
from native.ports import HOST

CUSTOMERS = 1000
ADDRESSES = 200  # so that the edge's limit for each is not what refuses
CONNECTIONS = 400
TICK_SECONDS = 0.02  # they come in bunches: to be woken costs more than to ask
KEY = "key-of-this-order"  # where a template has the key's place

ConnectionT = TypeVar("ConnectionT", bound=Connection)


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


class Caller(Connection):
    """A connection whose answers are only written down: nobody waits for them, so nobody has to be woken."""

    def __init__(self, asked: list[Asked], free: deque["Caller"]) -> None:
        super().__init__()
        self._asked, self._free = asked, free
        self._began = 0.0  # 0 while nothing is asked

    def ask(self, content: bytes) -> None:
        """Send a request."""
        self._began = time.perf_counter()
        if self._transport is None or self._transport.is_closing():
            self._over(0)
        else:
            self._transport.write(content)

    def answered(self, answer: Answer) -> None:
        """This one is free again."""
        self._over(answer.status)
        self._free.append(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Called by asyncio."""
        if self._began:
            self._over(0)

    def _over(self, status: int) -> None:
        self._asked.append(Asked(status, time.perf_counter() - self._began))
        self._began = 0.0


class Crowd:
    """Places orders of one product each at the edge."""

    def __init__(self, edge: int, skus: Sequence[str], tokens: Tokens) -> None:
        self._edge = edge
        templates = [_template(skus[number % len(skus)], tokens, number) for number in range(CUSTOMERS)]
        self._orders = itertools.cycle(templates)
        self._addresses = itertools.cycle(f"127.0.1.{number}" for number in range(1, ADDRESSES + 1))

    async def closed(self, clients: int, seconds: float) -> list[Asked]:
        """Each client orders again as soon as it is answered."""

        async def everybody() -> list[Asked]:
            end = time.monotonic() + seconds
            found = await asyncio.gather(*(self._client(end) for _ in range(clients)))
            return [asked for some in found for asked in some]

        return await _apart(everybody())

    async def open(self, per_second: float, seconds: float) -> list[Asked]:
        """Orders begin at their times, whatever became of the earlier ones; where no connection is free, late."""
        return await _apart(self._come(per_second, seconds))

    async def _client(self, end: float) -> list[Asked]:
        asked: list[Asked] = []
        connection = await self._connect(Connection())
        while time.monotonic() < end:
            began = time.perf_counter()
            try:
                status = (await connection.request(self._order())).status
            except BrokenOffError:
                status, connection = 0, await self._connect(Connection())
            asked.append(Asked(status, time.perf_counter() - began))
        connection.close()
        return asked

    async def _come(self, per_second: float, seconds: float) -> list[Asked]:
        asked: list[Asked] = []
        free: deque[Caller] = deque()
        callers = [await self._connect(Caller(asked, free)) for _ in range(CONNECTIONS)]
        free.extend(callers)
        begun, start = 0, time.monotonic()
        while (passed := time.monotonic() - start) < seconds or len(asked) < begun:
            due = int(passed * per_second) - begun if passed < seconds else 0
            for _ in range(min(due, len(free))):
                free.popleft().ask(self._order())
                begun += 1
            await asyncio.sleep(TICK_SECONDS)
        for caller in callers:
            caller.close()
        return asked

    async def _connect(self, connection: ConnectionT) -> ConnectionT:
        loop = asyncio.get_running_loop()
        address = (next(self._addresses), 0)
        await loop.create_connection(lambda: connection, HOST, self._edge, local_addr=address)
        return connection

    def _order(self) -> bytes:
        before, after = next(self._orders)
        return b"%s%s%s" % (before, str(uuid4()).encode(), after)


def _template(sku: str, tokens: Tokens, number: int) -> tuple[bytes, bytes]:
    """A customer's order, as it goes over the wire: what stands before its key, and what after it."""
    body = {"items": [{"sku": sku, "quantity": 1}], "payment_token": "tok_ok", "email": "crowd@customers.example"}
    content = request("POST", "/orders", body, idempotency_key=KEY, **tokens.header(f"crowd-{number}"))
    before, _, after = content.partition(KEY.encode())
    return before, after


async def _apart(everybody: Coroutine[None, None, list[Asked]]) -> list[Asked]:
    """All of them at once, on a loop and in a thread of their own."""
    return await asyncio.to_thread(uvloop.run, everybody)
