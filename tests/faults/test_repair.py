"""What the broker loses or gives up can be brought back from the outbox and from what was parked."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import aio_pika
import pytest

from faults.commands import chassis
from faults.system import System
from outside.waiting import eventually

ORDERS = 12
PER_SECOND = 20.0
QUEUE = "payment.p{:02d}"
PAID = {"tok_ok": 1}
UNPUBLISHED = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
PUBLISHED = "SELECT count(*) FROM outbox WHERE type IN ('order.placed.v1', 'order.cancelled.v1')"
HANDLED = "SELECT count(*), sum(seen) FROM inbox"
PARKED = "SELECT id, subject, reason FROM parked"
FULLEST = "SELECT partition FROM orders GROUP BY partition ORDER BY count(*) DESC LIMIT 1"
CONFIRMED = "SELECT count(*) FROM orders WHERE status = 'confirmed'"

# A repair takes as long as the machine needs to start a few processes, and an order that expires meanwhile, or whose
# charge is given up, is another test's.
PATIENT = {"order": {"QS_ORDER_TTL_SECONDS": "120"}, "payment": {"QS_CHARGE_GIVE_UP_SECONDS": "60"}}


@pytest.fixture(scope="module", autouse=True)
async def patience(faults_system: System) -> AsyncIterator[None]:
    """Orders wait for longer than any repair takes."""
    async with faults_system.told_otherwise(PATIENT):
        yield


def an_hour_ago() -> str:
    """As the command line wants it."""
    return (datetime.now(UTC) - timedelta(hours=1)).isoformat(timespec="seconds")


async def placed(system: System, orders: int = ORDERS) -> None:
    """Orders with good cards, published."""
    load = system.load()
    await load.run(orders, PER_SECOND, PAID)
    assert len(load.accepted) == orders
    await eventually(lambda: system.books.value("orders", UNPUBLISHED), lambda count: count == 0)


async def used_queue(system: System) -> str:
    """Payment's queue with the most orders: that there is any in a certain one is chance."""
    fullest = await eventually(lambda: system.books.value("orders", FULLEST), lambda found: found is not None)
    return QUEUE.format(fullest)


async def test_a_purged_queue_is_backfilled_from_the_outbox(system: System) -> None:
    await system.gone(*system.replicas("payment"))
    await placed(system)
    await asyncio.to_thread(system.purge, "orders", await used_queue(system))
    await chassis(system.stack, "order", "outbox", "republish", "--to", "payment", "--since", an_hour_ago())
    await system.ready(*system.replicas("payment"))

    verdict = await system.verified()

    assert verdict.counts("terminal")["confirmed"] == ORDERS


async def test_a_dry_run_of_republishing_counts_and_changes_nothing(system: System) -> None:
    await placed(system)
    await system.verified()
    before = await system.books.fetch("payments", HANDLED)
    published = await system.books.value("orders", PUBLISHED)

    options = ("--to", "payment", "--since", an_hour_ago())
    said = await chassis(system.stack, "order", "outbox", "republish", *options, "--dry-run")

    assert f"{published} events would be republished" in said
    await system.verified()
    assert await system.books.fetch("payments", HANDLED) == before
    await chassis(system.stack, "order", "outbox", "republish", *options)
    await eventually(
        lambda: system.books.fetch("payments", HANDLED),
        lambda rows: (rows[0]["count"], rows[0]["sum"]) == (before[0]["count"], before[0]["sum"] + published),
    )
    await system.verified()


async def test_a_queue_deleted_under_its_consumer_is_made_again_and_backfilled(system: System) -> None:
    load = system.load()
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run(3 * ORDERS, PER_SECOND, PAID))
        await asyncio.sleep(ORDERS / PER_SECOND)
        await asyncio.to_thread(system.broker.delete, "queues", "orders", await used_queue(system))
        await system.applied_topology()
    await chassis(system.stack, "order", "outbox", "republish", "--to", "payment", "--since", an_hour_ago())

    verdict = await system.verified()

    assert verdict.counts("terminal")["confirmed"] == 3 * ORDERS


async def test_what_the_broker_gives_up_is_parked_with_its_order_and_can_be_replayed(system: System) -> None:
    await system.gone(*system.replicas("payment"))
    await placed(system)
    order_id = await rejected(system, await used_queue(system))
    await system.ready(*system.replicas("payment"))
    [row] = await eventually(lambda: system.books.fetch("payments", PARKED), bool)
    await eventually(lambda: system.books.value("orders", CONFIRMED), lambda count: count == ORDERS - 1)
    assert (str(row["subject"]), "gave it up" in row["reason"]) == (order_id, True)

    await chassis(system.stack, "payment", "parked", "replay")

    await system.verified()


async def rejected(system: System, name: str) -> str:
    """Take a message from a queue and refuse it for good; the order it is about."""
    connection = await aio_pika.connect(system.stack.amqp_url("payment", "orders"))
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=1)
        queue = await channel.get_queue(name)
        async with asyncio.timeout(30), queue.iterator() as messages:
            async for message in messages:
                await message.reject(requeue=False)
                body: dict[str, str] = json.loads(message.body)
                return body["subject"]
    raise AssertionError("the iterator ends only when it is left")
