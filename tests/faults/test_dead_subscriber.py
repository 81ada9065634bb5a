"""A subscriber that is away costs the others nothing: its backlog waits, and drains in order when it comes back."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median

import pytest

from faults.system import SKUS, System
from outside.shop import fresh
from outside.waiting import eventually

CLIENTS = 4  # less than the stack can carry, or it would always have a backlog
SLICES, SLICE_SECONDS = 9, 1.0
TIMES = 10
LEAST_BACKLOG = 100
KEPT_SHARE = 0.9
CAPTURED = "SELECT count(*) FROM payments WHERE status = 'captured'"
UNHEARD = """
    SELECT count(*) FROM outbox WHERE type IN ('order.confirmed.v1', 'order.cancelled.v1')
"""
HEARD = "SELECT count(*) FROM inbox"


@dataclass(frozen=True)
class Rate:
    """Orders placed and paid a second, and the greatest backlog of notification meanwhile."""

    placed: float
    paid: float
    backlog: int


async def backlog(system: System) -> int:
    """What order has told and notification not heard."""
    told: int = await system.books.value("orders", UNHEARD)
    heard: int = await system.books.value("notifications", HEARD)
    return told - heard


@asynccontextmanager
async def customers(system: System) -> AsyncIterator[list[int]]:
    """So many at a time, each ordering as soon as the last order was accepted; counts the orders."""
    count = [0]

    async def customer() -> None:
        while True:
            await system.shop.placed(fresh("customer"), {SKUS[count[0] % len(SKUS)]: 1})
            count[0] += 1

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(customer()) for _ in range(CLIENTS)]
        yield count
        for task in tasks:
            task.cancel()


async def rate(system: System, count: list[int]) -> Rate:
    """Over a while, as the median of its slices: a moment in which the machine stalls spoils only one of them."""
    slices = [await short_rate(system, count) for _ in range(SLICES)]
    return Rate(
        placed=median(one.placed for one in slices),
        paid=median(one.paid for one in slices),
        backlog=max(one.backlog for one in slices),
    )


async def short_rate(system: System, count: list[int]) -> Rate:
    """Over one slice."""
    placed, paid, started = count[0], await system.books.value("payments", CAPTURED), time.monotonic()
    most = 0
    while time.monotonic() - started < SLICE_SECONDS:
        most = max(most, await backlog(system))
        await asyncio.sleep(0.2)
    seconds = time.monotonic() - started
    paid = await system.books.value("payments", CAPTURED) - paid
    return Rate((count[0] - placed) / seconds, paid / seconds, most)


@pytest.mark.faults_long
async def test_orders_are_placed_and_paid_as_fast_while_notification_is_away(system: System) -> None:
    async with customers(system) as count:
        await rate(system, count)  # to warm up
        before = await rate(system, count)
        await system.gone(*system.replicas("notification"))
        try:
            meanwhile = await rate(system, count)
            wanted = max(TIMES * before.backlog, LEAST_BACKLOG)
            await eventually(lambda: backlog(system), lambda found: found >= wanted, seconds=90)
        finally:
            await system.ready(*system.replicas("notification"))
        await eventually(lambda: backlog(system), lambda found: found <= max(before.backlog, CLIENTS), seconds=90)
        after = await rate(system, count)
    print(before, meanwhile, after)

    await eventually(lambda: backlog(system), lambda found: found == 0, seconds=90)

    await system.verified()
    # Before and after: the machine itself may become faster or slower meanwhile.
    assert meanwhile.placed >= KEPT_SHARE * (before.placed + after.placed) / 2
    assert meanwhile.paid >= KEPT_SHARE * (before.paid + after.paid) / 2
