"""A checker that cannot fail proves nothing: each broken rule turns `verify` red, and it names what is missing."""

import asyncio
from collections.abc import Mapping
from uuid import UUID

import pytest

from faults.system import System
from faults.verdict import Verdict
from outside.waiting import eventually

ORDERS = 40
QUEUE = "p01"
SHARD = 1
PAID, DECLINED = {"tok_ok": 1}, {"tok_declined": 1}
EVENTS = "SELECT type || ' ' || id || ' of order ' || subject FROM outbox WHERE type = $1 AND shard = $2"
UNPUBLISHED = "SELECT count(*) FROM outbox WHERE published_at IS NULL"


async def events_of(system: System, event_type: str) -> list[str]:
    """The order service's events of this type in the one partition, as `verify` names them."""
    return sorted(row[0] for row in await system.books.fetch("orders", EVENTS, event_type, SHARD))


def lost_to(verdict: Verdict, subscriber: str) -> list[str]:
    """Every event of whatever type that it never got."""
    found = verdict.findings[10].items()
    return [name for words, names in found if words.startswith(f"{subscriber} never got") for name in names]


def names_orders(names: list[str], orders: set[UUID]) -> bool:
    """Whether every name ends in one of these orders."""
    return bool(names) and {UUID(name.rpartition(" ")[2]) for name in names} <= orders


async def test_an_unbound_queue_is_named_with_every_event_that_did_not_reach_it(system: System) -> None:
    key = f"{QUEUE}.order.cancelled.v1"
    system.broker.delete("bindings", "orders", "e", "events", "q", f"notification.{QUEUE}", key)
    try:
        await system.placed(ORDERS, tokens=DECLINED)
        verdict = await system.verdict()
    finally:
        await system.applied_topology()

    lost = verdict.findings[10]["notification never got order.cancelled.v1"]
    assert sorted(lost) == await events_of(system, "order.cancelled.v1") != []
    assert len(verdict.findings[5]["it was never asked for"]) == len(lost)


@pytest.mark.faults_long
async def test_a_purged_queue_is_named_with_every_event_that_was_in_it(system: System) -> None:
    await system.gone(*system.replicas("payment"))
    await system.placed(ORDERS, tokens=PAID)
    await eventually(lambda: system.books.value("orders", UNPUBLISHED), lambda count: count == 0)
    await asyncio.to_thread(system.purge, "orders", f"payment.{QUEUE}")
    await system.ready(*system.replicas("payment"))
    verdict = await system.verdict()

    lost = verdict.findings[10]["payment never got order.placed.v1"]
    assert sorted(lost) == await events_of(system, "order.placed.v1") != []


async def mutated(
    system: System, mutant: str, service: str, *, fault: str = "", tokens: Mapping[str, int] = PAID
) -> tuple[Verdict, set[UUID]]:
    """What `verify` says after a load on a service that is a mutant, and the orders of the load."""
    replica = system.replicas(service)[0]
    async with system.by_hand(replica, mutant=mutant, fault=fault, alone=True) as process:
        async with system.ordering(ORDERS, tokens=tokens) as load:
            if fault:
                await process.died()
        if fault:
            await system.ready(replica)
        return await system.verdict(), set(load.accepted)


@pytest.mark.faults_long
async def test_acknowledging_before_the_commit_loses_what_a_crash_rolls_back(system: System) -> None:
    verdict, orders = await mutated(system, "ack_before_commit", "payment", fault="crash:consumer.before_commit:5")

    assert names_orders(lost_to(verdict, "payment"), orders)


@pytest.mark.faults_long
async def test_flagging_before_the_confirm_loses_what_a_crash_did_not_send(system: System) -> None:
    verdict, orders = await mutated(system, "flag_before_confirm", "payment", fault="crash:relay.after_fetch:10")

    assert names_orders(lost_to(verdict, "order"), orders)


@pytest.mark.parametrize(
    "service",
    [
        "notification",
        pytest.param("payment", marks=pytest.mark.faults_long),
        pytest.param("order", marks=pytest.mark.faults_long),
    ],
)
async def test_remembering_events_past_a_failure_is_found_by_what_they_did_not_do(service: str, system: System) -> None:
    verdict, _ = await mutated(system, "inbox_past_a_failure", service)

    print(verdict)
    assert verdict.at_rest
    assert verdict.red, f"{service} has forgotten what it did not do, and verify is green"


async def test_a_skipped_void_leaves_money_at_the_provider(system: System) -> None:
    async with system.provider.faults(lost_answer_rate=1):
        verdict, orders = await mutated(system, "void_skipped", "payment")

    kept = verdict.findings[3]["voided here, but the provider has kept or lost money"]
    charged = {order for order in orders if await system.provider.kept_cents(order)}  # the others met an open breaker
    assert {UUID(name.partition(":")[0]) for name in kept} == charged != set()


@pytest.mark.faults_long
async def test_an_inbox_that_is_off_cannot_show_that_anything_arrived(system: System) -> None:
    verdict, orders = await mutated(system, "inbox_off", "notification")

    lost = verdict.findings[10]["notification never got order.confirmed.v1"]
    assert len(lost) == len(orders)
    assert names_orders(lost, orders)
