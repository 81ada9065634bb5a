"""An order that is past its deadline waits for something: `python -m doctor` says for what, from the rows alone."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from faults.commands import chassis
from faults.mutants import POISON
from faults.system import SKUS, System
from native.layout import CHECKOUT, PYTHON
from outside.mailbox import Mailbox
from outside.shop import fresh
from outside.waiting import eventually

FOUND = 1
OVERDUE_WITHIN_SECONDS = 60.0
PARTITION_OF = "SELECT partition FROM orders WHERE id = $1"
UNPUBLISHED = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
BOUND = range(1, 4)  # partitions whose orders still reach payment


async def doctor(system: System) -> tuple[int | None, dict[UUID, str]]:
    """Its exit status, and what it says about each order."""
    process = await asyncio.create_subprocess_exec(
        *(str(PYTHON), "-m", "doctor", "--stack", system.stack.name),
        cwd=CHECKOUT,
        env={"PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    blocks = out.decode().split("order ")[1:]
    return process.returncode, {UUID(block.partition(" ")[0]): block for block in blocks if "waits for" in block}


async def named(system: System, expected: dict[UUID, str]) -> None:
    """Wait until each of these orders is named with these words about its step."""

    async def missing() -> dict[UUID, str]:
        _, said = await doctor(system)
        return {id_: said.get(id_, "") for id_, words in expected.items() if words not in said.get(id_, "")}

    await eventually(missing, lambda found: not found, seconds=OVERDUE_WITHIN_SECONDS, poll_seconds=2.0)
    assert (await doctor(system))[0] == FOUND


async def placed_where(system: System, partitions: range, customer: str = "customer") -> UUID:
    """An order of one of these partitions; the broker has its event, if it takes it."""
    while True:
        order_id = await system.shop.placed(fresh(customer), {SKUS[0]: 1})
        if await system.books.value("orders", PARTITION_OF, order_id) in partitions:
            return order_id


@asynccontextmanager
async def unbound(system: System, partition: int) -> AsyncIterator[None]:
    """Inside, no order of this partition reaches payment."""
    key, queue = f"p{partition:02d}.order.placed.v1", f"payment.p{partition:02d}"
    await asyncio.to_thread(system.broker.delete, "bindings", "orders", "e", "events", "q", queue, key)
    try:
        yield
    finally:
        await system.applied_topology()


@asynccontextmanager
async def frozen(system: System, service: str) -> AsyncIterator[None]:
    """Inside, no replica of the service moves."""
    try:
        for replica in system.replicas(service):
            await asyncio.to_thread(system.stack.freeze, replica)
        yield
    finally:
        for replica in system.replicas(service):
            await asyncio.to_thread(system.stack.resume, replica)


@pytest.mark.faults_long
async def test_what_is_refused_what_is_parked_and_what_cannot_be_mailed_is_named(system: System) -> None:
    async with (
        system.by_hand("payment", mutant="poison_raises", alone=True),
        Mailbox(system.session, system.stack.url("mailsink")).refusing(451),
        unbound(system, 0),
    ):
        expected = {
            await placed_where(system, range(1)): "order's relay to publish order.placed.v1 (refused",
            await placed_where(system, BOUND): "notification's mail: attempt",
        }
        poison = await placed_where(system, BOUND, POISON)
        expected[poison] = "a person: payment has parked order.placed.v1 (ValueError: poison)"
        await named(system, expected)
    await chassis(system.stack, "payment", "parked", "replay")

    await system.verified()
    assert await doctor(system) == (0, {})


@pytest.mark.faults_long
async def test_what_is_not_published_not_handled_and_not_answered_is_named(system: System) -> None:
    async with system.provider.faults(down=True):
        unanswered = await placed_where(system, BOUND)
        await eventually(lambda: system.books.payment(unanswered), bool)
        async with frozen(system, "payment"):
            unhandled = await placed_where(system, BOUND)
            await eventually(lambda: system.books.value("orders", UNPUBLISHED), lambda count: count == 0)
            async with system.books.silence("orders"):
                expected = {
                    unanswered: "payment's charge: attempt",
                    unhandled: "payment to handle order.placed.v1 (queue payment.p",
                    await placed_where(system, BOUND): "order's relay to publish order.placed.v1",
                }
                await named(system, expected)

    await system.verified()
    assert await doctor(system) == (0, {})
