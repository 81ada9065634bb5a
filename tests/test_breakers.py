"""A provider that fails, and one that hangs: it is left alone within seconds, orders go on, and nothing is lost."""

import asyncio
from collections.abc import Awaitable
from uuid import UUID

from chassis.effects import effect_guard
from native import Stack
from outside.meters import Meters
from outside.provider import Provider
from outside.shop import Shop
from outside.waiting import eventually

POLICY = effect_guard("unused", timeout_seconds=0.5, concurrency=32).policy
ORDERS = 60
OPENS_SECONDS = 2
NOT_MADE = ("open", "full")


async def calls_made(meters: Meters) -> float:
    """Calls that the provider has got."""
    calls = await meters.by("result", "payment", "guarded_calls_total", dependency="provider")
    return sum(count for result, count in calls.items() if result not in NOT_MADE)


def changes(meters: Meters, state: str) -> Awaitable[float]:
    return meters.total("payment", "circuit_breaker_transitions_total", dependency="provider", to=state)


def is_open(meters: Meters) -> Awaitable[list[float]]:
    return meters.each("payment", "circuit_breaker_state", dependency="provider", state="open")


async def test_calls_to_a_failing_provider_fall_to_the_probe_rate_and_its_orders_finish_when_it_heals(
    shop: Shop, customer: str, sku: str, provider: Provider, meters: Meters, stack: Stack
) -> None:
    half_open, failed = await changes(meters, "half_open"), await calls_made(meters)
    async with provider.faults(error_rate=1.0):
        placed = await asyncio.gather(*(shop.placed(customer, {sku: 1}) for _ in range(ORDERS // 2)))
        await eventually(lambda: calls_made(meters), lambda calls: calls > failed)
        await eventually(lambda: is_open(meters), any, seconds=OPENS_SECONDS)
        await eventually(lambda: changes(meters, "half_open"), lambda count: count >= half_open + 1)
        opened, before = await changes(meters, "half_open"), await calls_made(meters)
        placed += await asyncio.gather(*(shop.placed(customer, {sku: 1}) for _ in range(ORDERS // 2)))
        await eventually(lambda: changes(meters, "half_open"), lambda count: count >= opened + 2)
        made, rounds = await calls_made(meters) - before, await changes(meters, "half_open") - opened
        # A second instance that has met no failure yet may find out for itself: once.
        others = POLICY.breaker.consecutive_failures * (len(stack.plan.instances("payment")) - 1)
        assert made <= (rounds + 1) * POLICY.breaker.probes + others
    orders = [await shop.ended(customer, order_id) for order_id in placed]
    assert len(orders) == ORDERS
    await ledger_agrees(orders, provider)


async def ledger_agrees(orders: list[dict[str, object]], provider: Provider) -> None:
    """What was confirmed is paid for, and nothing else."""
    for order in orders:
        kept = order["total_cents"] if order["status"] == "confirmed" else 0
        assert await provider.kept_cents(UUID(str(order["id"]))) == kept


async def test_of_a_hanging_provider_no_more_calls_are_under_way_than_the_bulkhead_has_places(
    shop: Shop, customer: str, sku: str, provider: Provider, meters: Meters
) -> None:
    seen = [0.0]
    watching = asyncio.create_task(watch(meters, seen))
    try:
        async with provider.faults(latency_ms=30_000):
            wishes = (shop.insist(customer, {sku: 1}) for _ in range(2 * POLICY.concurrency))
            placed = [UUID(answer.json()["id"]) for answer in await asyncio.gather(*wishes)]
            await eventually(lambda: is_open(meters), any)
        orders = [await shop.ended(customer, order_id) for order_id in placed]
    finally:
        watching.cancel()
    assert 0 < max(seen) <= POLICY.concurrency
    await ledger_agrees(orders, provider)


async def watch(meters: Meters, seen: list[float]) -> None:
    """The most calls that an instance had under way at once, looked at again and again."""
    while True:
        seen.extend(await meters.each("payment", "bulkhead_in_use", dependency="provider"))
        await asyncio.sleep(0.01)
