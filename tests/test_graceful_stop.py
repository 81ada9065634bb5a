"""One replica of each service is told to stop (SIGTERM) while orders keep coming, and comes back."""

import asyncio
import operator
from collections import Counter
from functools import partial
from uuid import UUID

from native import Stack
from outside.books import Books
from outside.http import Answer
from outside.outages import away
from outside.shop import Shop, fresh
from outside.waiting import eventually

STOPPED = ("order-2", "payment-2", "notification-2")
BUYERS = 4
CONFIRMED = "SELECT count(*) FROM orders WHERE id = ANY($1) AND status = 'confirmed'"


async def buy_on(shop: Shop, sku: str, stopping: asyncio.Event) -> dict[str, Answer]:
    """One order after the other, each as soon as the one before is answered; the answers by customer."""
    answers = {}
    while not stopping.is_set():
        customer = fresh("customer")
        answers[customer] = await shop.place(customer, {sku: 1})
    return answers


async def test_no_order_fails_or_is_lost_while_replicas_stop_and_start_again(
    shop: Shop, books: Books, stack: Stack
) -> None:
    skus, stopping = [await shop.stock_up(100_000) for _ in range(BUYERS)], asyncio.Event()
    async with asyncio.TaskGroup() as group:
        buyers = [group.create_task(buy_on(shop, sku, stopping)) for sku in skus]
        async with away(stack, *STOPPED):
            assert not any(stack.is_ready(component) for component in STOPPED)
        stopping.set()

    for sku, answers in zip(skus, (buyer.result() for buyer in buyers), strict=True):
        assert Counter(answer.status for answer in answers.values()) == {202: len(answers)}
        ids = [UUID(answer.json()["id"]) for answer in answers.values()]
        await eventually(partial(books.value, "orders", CONFIRMED, ids), partial(operator.eq, len(ids)))
        assert (await shop.stock(sku))["sold"] == len(ids) > 0
