"""What `verify` waits for, what it says meanwhile, and that primary and replica are compared at the same moment."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta

import pytest
from verify_world import World, harmed

from demo.machine import frozen
from demo.stories import Stage
from native import Stack
from native.postgres import REPLICA, binaries
from verify import broker, database, replication, subscriptions
from verify.addresses import Addresses
from verify.replication import Sum, differences
from verify.rest import Sampler, wait

pytest_plugins = ("verify_fixtures",)


@asynccontextmanager
async def sampler(addresses: Addresses) -> AsyncIterator[Sampler]:
    """Takes samples of the stack."""
    async with database.connect(addresses) as databases, broker.connect(addresses) as queues:
        yield Sampler(databases.primary, queues, subscriptions.declared())


@contextmanager
def replay_paused(stack: Stack) -> Iterator[None]:
    """The replica receives and keeps what the primary writes, but shows nothing of it."""
    socket, port = stack.layout.postgres_socket(REPLICA), stack.ports[REPLICA]

    def tell(function: str) -> None:
        where = ["-h", str(socket), "-p", str(port), "-U", "postgres"]
        command = [str(binaries() / "psql"), *where, "-c", f"SELECT {function}()"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    tell("pg_wal_replay_pause")
    try:
        yield
    finally:
        tell("pg_wal_replay_resume")


async def test_an_order_on_its_way_is_waited_for(world: World, stage: Stage) -> None:
    said: list[str] = []
    async with sampler(world.addresses) as sampling:
        with frozen(world.stack, "payment"):
            order = await stage.shop.place({"concert-floor": 1}, "tok_ok")
            on_its_way = await wait(sampling, 1.5, said.append)
        await stage.shop.wait_until(order, "confirmed")
        at_its_end = await wait(sampling, 20, said.append)
    assert not on_its_way.reached
    assert on_its_way.sample.pending == on_its_way.sample.undelivered == 1
    assert "pending orders: 1" in said[0]
    assert at_its_end.reached


@pytest.mark.usefixtures("quickly")
async def test_a_lost_message_is_not_waited_for_without_end(world: World) -> None:
    event = f"subject = '{world.paid}' AND type = 'order.confirmed.v1'"
    with harmed(world.stack, "notifications", "inbox", event, f"DELETE FROM inbox WHERE {event}"):  # noqa: S608  our own
        report = await world.check()
    assert report.of(0).ok
    assert report.of(10).counts["lost"] == 1


@pytest.mark.usefixtures("quickly")
async def test_a_replica_that_shows_nothing_new_is_red(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replication, "REPLAY_SECONDS", 0.5)
    with replay_paused(world.stack):
        world.stack.sql("UPDATE products SET version = version + 1", "orders")
        report = await world.check()
    assert not report.of(8).ok
    assert report.of(8).counts["behind"] == 3
    assert (await world.check()).ok


def test_differences_between_primary_and_replica_are_named_by_table() -> None:
    ours = {"same": Sum(3, 7), "fewer": Sum(3, 7), "other": Sum(3, 7), "gone": Sum(0, 0)}
    theirs = {"same": Sum(3, 7), "fewer": Sum(2, 5), "other": Sum(3, 8), "new": Sum(0, 0)}
    assert differences("orders", ours, theirs) == [
        "orders.fewer: 3 rows on the primary, 2 on the replica",
        "orders.gone is only on the primary",
        "orders.new is only on the replica",
        "orders.other: 3 rows each, but with other contents",
    ]


async def test_what_was_published_lately_is_compared_and_what_may_be_dropped_is_not(world: World) -> None:
    async with database.connect(world.addresses) as databases:
        since = await database.kept_since(databases.primary)
        today = await databases.primary["order"].fetchval(database.TODAY)
    assert since < database.floor(today) < world.paid
    assert world.paid < database.floor(today + timedelta(days=2))
