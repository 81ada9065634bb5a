"""What the stack carries now: some hundred orders, and as many looks, as fast as it takes them.

Whatever else the machine does is part of the answer, so it is asked anew before each run.
"""

import asyncio
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from bench.client import connect, request
from bench.shop import SKUS, Shop
from bench.watch import Watch
from load.errors import LoadError
from load.profiles import Mix
from load.target import Target

OK = 200
WARM_UP, ORDERS, LOOKS, CONCURRENCY = 50, 300, 600, 32
# Of what a burst is carried: full batches make an order cheap, and a burst is over before late work is due. Ramps of
# minutes had their knee at 0.52 to 0.65 of what the burst before them said.
SUSTAINED = 0.6


async def orders_per_second(target: Target, mix: Mix) -> float:
    """Orders all the way to their mail, with the looks that go with each. Raises `LoadError` if none is taken."""
    shop = Shop(target.stack)
    await shop.stock()
    async with Watch(target.stack) as watch:
        await _order(shop, watch, WARM_UP, "warm-up")
        orders = await _order(shop, watch, ORDERS, "calibration")
    return SUSTAINED / (1 / orders + mix.looks_per_order / await _look(target))


async def _order(shop: Shop, watch: Watch, orders: int, phase: str) -> float:
    """Orders a second, from the first POST to the last mail."""
    watch.mark()
    started = time.time()
    placed = await shop.place(orders, CONCURRENCY, phase)
    accepted = sum(order.id is not None for order in placed)
    if not accepted:
        raise LoadError(f"the shop took none of {orders} orders: see make logs C=order")
    try:
        await watch.rest(accepted)
    except SystemExit as error:
        raise LoadError(f"what the stack carries cannot be measured: {error}") from None
    return accepted / ((await watch.last_mail()).timestamp() - started)


async def _look(target: Target) -> float:
    """Looks a second."""
    numbers = iter(range(LOOKS))
    started = time.perf_counter()
    answered = sum(await asyncio.gather(*(_looker(target, numbers) for _ in range(CONCURRENCY))))
    if not answered:
        raise LoadError(f"the shop answered none of {LOOKS} looks: see make logs C=order")
    return answered / (time.perf_counter() - started)


async def _looker(target: Target, numbers: Iterator[int]) -> int:
    """How many of its looks were answered, and not refused."""
    answered = 0
    edge = urlsplit(target.edge)
    connection = await connect(edge.hostname or "", edge.port or 80)
    for number in numbers:
        answer = await connection.request(request("GET", f"/products/{SKUS[number % len(SKUS)]}/stock"))
        answered += answer.status == OK
    connection.close()
    return answered
