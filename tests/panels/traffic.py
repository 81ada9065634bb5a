"""A mixed load with a generator's own metrics: orders and what customers look at meanwhile."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from faults.load import Load

from bearer import Tokens
from meters import LoadMeter
from meters.load import result_of
from outside.http import Answer
from outside.shop import Shop, fresh

ORDERS_PER_SECOND, LOOKS_PER_SECOND = 3.0, 6.0
LONGEST_SECONDS = 1800
STOCKED = 1_000_000


class MeteredShop(Shop):
    """A client whose every request is measured from when it was due."""

    def __init__(self, session: aiohttp.ClientSession, url: str, tokens: Tokens) -> None:
        super().__init__(session, url, tokens)
        self.meter = LoadMeter()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        customer: str | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Any request."""
        clock, status = asyncio.get_running_loop().time, None
        began = clock()
        self.meter.due()
        try:
            answer = await super().ask(method, path, customer=customer, body=body, headers=headers)
            status = answer.status
        finally:
            self.meter.done(result_of(status), clock() - began)
        return answer


@asynccontextmanager
async def traffic(shop: MeteredShop, port: int, told: Path, skus: Sequence[str]) -> AsyncIterator[Load]:
    """Inside, customers order and look around, whether they are answered or not."""
    load = Load(shop, told, skus, "panels")
    with shop.meter.serve(port):
        ordering = asyncio.create_task(load.run(int(LONGEST_SECONDS * ORDERS_PER_SECOND), ORDERS_PER_SECOND))
        looking = asyncio.create_task(_look_around(shop, load, skus))
        try:
            yield load
        finally:
            load.stop()
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            await ordering


async def _look_around(shop: Shop, load: Load, skus: Sequence[str]) -> None:
    choose = random.Random("panels")  # noqa: S311  a choice that can be repeated, not a secret
    async with asyncio.TaskGroup() as group:
        while True:
            await asyncio.sleep(1 / LOOKS_PER_SECOND)
            group.create_task(_look(shop, load, choose.choice(skus), choose.random()))


async def _look(shop: Shop, load: Load, sku: str, what: float) -> None:
    try:
        if what < 0.05:
            await shop.stock_up(STOCKED, sku=sku, price_cents=1000 + int(10_000 * what))
        elif what < 0.6 or not load.accepted:
            await shop.ask("GET", f"/products/{sku}")
        elif what < 0.7:
            await shop.ask("GET", f"/products/{fresh('nothing')}")
        elif what < 0.8:
            await shop.place(fresh("customer"), {"sold-out": 1})
        else:
            order_id, wish = next(reversed(load.accepted.items()))
            path = f"orders/{order_id}/timeline" if what < 0.9 else f"payments?order_id={order_id}"
            await shop.ask("GET", f"/{path}", customer=wish.customer)
    except (aiohttp.ClientError, OSError):
        pass  # an outage of the test's own making; the meter has seen it
