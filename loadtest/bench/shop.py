"""What the bench does to the shop: it puts products on the shelf, slows the provider down, and places orders."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import runtime
from bearer import Tokens
from bench.client import Answer, BrokenOffError, connect, request
from native.ports import HOST
from runtime import Running
from verify.told import ACCEPTED, Told

SKUS = tuple(f"bench-{number}" for number in range(8))
STOCKED = 1_000_000_000  # never sold out, however often the bench runs
CUSTOMERS = 100
ADMIN = "admin"
PROVIDER_LATENCY_MS = 5


@dataclass(frozen=True)
class Order:
    """One order as its client saw it: of one piece; `id` is `None` where it was not accepted. `began` is the clock on
    the wall.
    """

    key: str
    customer: str
    sku: str
    began: float
    seconds: float
    status: int | Literal["timeout"]
    id: UUID | None

    @property
    def told(self) -> Told:
        """The same as `verify` reads it."""
        return Told(key=self.key, customer=self.customer, items={self.sku: 1}, status=self.status, order_id=self.id)


class Shop:
    """The stack's edge, from outside."""

    def __init__(self, stack: Running) -> None:
        addresses = runtime.variables(stack)
        self._edge, self._provider = _port(addresses["EDGE_URL"]), _port(addresses["PROVIDER_URL"])
        self._tokens = Tokens.load(stack.name)
        self._run = uuid4().hex[:12]

    async def stock(self) -> None:
        """Put the bench's products on the shelf. Raises `SystemExit` with the shop's own words if it refuses."""
        product = {"name": "Bench", "price_cents": 1000, "stocked": STOCKED}
        for sku in SKUS:
            await self._ask(self._edge, request("PUT", f"/products/{sku}", product, **self._tokens.header(ADMIN)))

    @asynccontextmanager
    async def slow_provider(self) -> AsyncIterator[None]:
        """Inside, each call to the provider takes 5 ms; outside, what it was before."""
        before = (await self._ask(self._provider, request("GET", "/faults"))).json()
        await self._ask(self._provider, request("PUT", "/faults", {"latency_ms": PROVIDER_LATENCY_MS}))
        try:
            yield
        finally:
            await self._ask(self._provider, request("PUT", "/faults", before))

    async def place(self, orders: int, concurrency: int, phase: str) -> list[Order]:
        """Place so many orders, so many at a time, each client the next one as soon as it is answered."""
        numbers = iter(range(orders))
        clients = (self._client(numbers, phase) for _ in range(concurrency))
        return [order for placed in await asyncio.gather(*clients) for order in placed]

    async def _client(self, numbers: Iterable[int], phase: str) -> list[Order]:
        placed = []
        connection = await connect(HOST, self._edge)
        for number in numbers:
            key, customer = f"{self._run}-{phase}-{number}", f"bench-{number % CUSTOMERS}"
            sku = SKUS[number % len(SKUS)]
            content = request(
                "POST", "/orders", _body(sku, number), idempotency_key=key, **self._tokens.header(customer)
            )
            began, started = time.time(), time.perf_counter()
            status: int | Literal["timeout"]
            try:
                answer = await connection.request(content)
                status, id_ = answer.status, UUID(answer.json()["id"]) if answer.status == ACCEPTED else None
            except BrokenOffError:
                status, id_ = "timeout", None
                connection = await connect(HOST, self._edge)
            placed.append(Order(key, customer, sku, began, time.perf_counter() - started, status, id_))
        connection.close()
        return placed

    async def _ask(self, port: int, content: bytes) -> Answer:
        connection = await connect(HOST, port)
        answer = await connection.request(content)
        connection.close()
        if answer.status >= 400:
            raise SystemExit(f"{content.splitlines()[0].decode()} was answered {answer.status}: {answer.body.decode()}")
        return answer


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None, f"{url} has no port"
    return port


def _body(sku: str, number: int) -> dict[str, object]:
    email = f"customer{number}@example.com"
    return {"items": [{"sku": sku, "quantity": 1}], "payment_token": "tok_ok", "email": email}
