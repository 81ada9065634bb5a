"""What the stack carries now: a few hundred orders, as fast as it takes them, all the way to their mail.

Whatever else the machine does is part of the answer, so it is asked anew before each run.
"""

import time

from bench.shop import Shop
from bench.watch import Watch
from load.errors import LoadError
from runtime import Running

WARM_UP, ORDERS, CONCURRENCY = 50, 300, 32


async def orders_per_second(stack: Running) -> float:
    """Measure. Raises `LoadError` if the stack took no order."""
    shop = Shop(stack)
    await shop.stock()
    async with Watch(stack) as watch:
        await _carried(shop, watch, WARM_UP, "warm-up")
        return await _carried(shop, watch, ORDERS, "calibration")


async def _carried(shop: Shop, watch: Watch, orders: int, phase: str) -> float:
    watch.mark()
    started = time.time()
    placed = await shop.place(orders, CONCURRENCY, phase)
    accepted = sum(order.id is not None for order in placed)
    if not accepted:
        raise LoadError(f"the shop took none of {orders} orders: see make logs C=order")
    await watch.rest(accepted)
    return accepted / ((await watch.last_mail()).timestamp() - started)
