"""An event that cannot be handled waits for a person; its order waits behind it, and nobody else does."""

import asyncio
from uuid import UUID

from faults.commands import chassis
from faults.mutants import POISON
from faults.system import SKUS, System
from outside.shop import fresh
from outside.waiting import eventually

NEIGHBOURS = 40
CURRENCY = "EUR"
PARKED = "SELECT type, reason FROM parked WHERE subject = $1 ORDER BY position"
SUBJECTS = "SELECT DISTINCT subject FROM parked"
CONFIRMED = "SELECT count(*) FROM orders WHERE status = 'confirmed'"
WRITTEN = "SELECT (SELECT count(*) FROM parked), (SELECT count(*) FROM quarantine), (SELECT count(*) FROM inbox)"
TOLD = "SELECT count(*) FROM outbox WHERE type IN ('order.placed.v1', 'order.cancelled.v1')"
HEARD = "SELECT count(*) FROM inbox"


async def parked(system: System, order_id: UUID) -> list[str]:
    """What payment has put aside of an order, in order."""
    return [row["type"] for row in await system.books.fetch("payments", PARKED, order_id)]


async def others_are_confirmed(system: System, count: int) -> None:
    """Wait for it."""
    await eventually(lambda: system.books.value("orders", CONFIRMED), lambda found: found == count)


async def all_is_heard(system: System) -> bool:
    """Whether payment has heard all that order has told."""
    told = await system.books.value("orders", TOLD)
    return bool(await system.books.value("payments", HEARD) == told)


async def replayed(system: System, order_id: UUID, *, events: int) -> None:
    """A dry run changes nothing; the replay handles all, first things first: nothing but a tombstone otherwise."""
    await eventually(lambda: all_is_heard(system), bool)  # on a slow machine the neighbours have expired meanwhile
    before = await system.books.fetch("payments", WRITTEN)
    said = await chassis(system.stack, "payment", "parked", "replay", str(order_id), "--dry-run")
    assert f"{events} parked; replay would take them all" in said
    await chassis(system.stack, "payment", "parked", "drop", str(order_id), "--dry-run")
    assert await system.books.fetch("payments", WRITTEN) == before
    said = await chassis(system.stack, "payment", "parked", "replay", str(order_id))
    assert f"{events} replayed" in said
    payment = await system.books.payment(order_id)
    assert payment is not None
    assert payment["currency"] == CURRENCY


async def test_an_event_that_always_raises_holds_back_its_order_only_until_it_is_replayed(system: System) -> None:
    customer = fresh(POISON)
    async with system.by_hand("payment", mutant="poison_raises", alone=True):
        order_id = await system.shop.placed(customer, {SKUS[0]: 1})
        await eventually(lambda: parked(system, order_id), bool)
        await system.shop.cancelled(customer, order_id)
        await system.placed(NEIGHBOURS, tokens={"tok_ok": 1})
        await others_are_confirmed(system, NEIGHBOURS)
        await eventually(
            lambda: parked(system, order_id), lambda found: found == ["order.placed.v1", "order.cancelled.v1"]
        )
        assert "waits behind" in await chassis(system.stack, "payment", "parked", "list", str(order_id))

    await system.verified(explained=(str(order_id),))
    await replayed(system, order_id, events=2)

    await system.verified()


async def test_an_event_that_kills_its_process_is_parked_without_a_neighbour(system: System) -> None:
    async with system.by_hand("payment", mutant="poison_kills", alone=True) as process:
        stubborn = asyncio.create_task(process.restarted_for_ever())
        order_id = await system.shop.placed(fresh(POISON), {SKUS[0]: 1})
        await system.placed(NEIGHBOURS, tokens={"tok_ok": 1})
        await eventually(lambda: parked(system, order_id), bool, seconds=90)
        await eventually(
            lambda: system.books.value("orders", "SELECT count(*) FROM orders WHERE status = 'pending'"),
            lambda count: count == 0,
        )
        await eventually(lambda: parked(system, order_id), lambda found: len(found) == 2)
        stubborn.cancel()
        rows = await system.books.fetch("payments", SUBJECTS)
        assert [row["subject"] for row in rows] == [order_id]

    await replayed(system, order_id, events=2)

    await system.verified()
