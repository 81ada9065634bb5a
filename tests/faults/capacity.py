"""What this machine carries now, beside whatever else it does: the load of the tests is a third of it."""

import asyncio
import time
from uuid import UUID

from outside.books import Books
from outside.shop import Shop, fresh
from outside.waiting import eventually

ORDERS = 200
CLIENTS = 32
SHARE = 1 / 3
LEAST_PER_SECOND, MOST_PER_SECOND = 8.0, 60.0
MAILED = "SELECT count(DISTINCT order_id) FROM notifications WHERE order_id = ANY($1) AND status = 'sent'"


async def per_second(shop: Shop, books: Books) -> float:
    """A third of the orders a second that go all the way to their mail."""
    await shop.opened()
    sku = await shop.stock_up(10 * ORDERS)
    await _sagas_per_second(shop, books, sku, ORDERS // 4)  # to warm up
    capacity = await _sagas_per_second(shop, books, sku, ORDERS)
    return min(max(capacity * SHARE, LEAST_PER_SECOND), MOST_PER_SECOND)


async def _sagas_per_second(shop: Shop, books: Books, sku: str, orders: int) -> float:
    started = time.monotonic()
    todo = iter(range(orders))
    placed = await asyncio.gather(*(_client(shop, sku, todo) for _ in range(CLIENTS)))
    ids = [id_ for some in placed for id_ in some]

    async def mailed() -> int:
        count: int = await books.value("notifications", MAILED, ids)
        return count

    await eventually(mailed, lambda count: count == orders, seconds=90, poll_seconds=0.2)
    return orders / (time.monotonic() - started)


async def _client(shop: Shop, sku: str, todo: "object") -> list[UUID]:
    return [await shop.placed(fresh("customer"), {sku: 1}) for _ in todo]  # type: ignore[attr-defined]
