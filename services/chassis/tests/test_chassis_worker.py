"""Working queues off: in order, acknowledged after the commit, given back in order, back after every loss."""

import asyncio

import pytest
from chassis_broker import Broker
from chassis_kit import PATIENCE_SECONDS, SettingsOf, Sql, eventually
from chassis_listening import Listening, noted, parked, said
from chassis_queues import working
from chassis_wire import Wire, wire_to_port

import chassis.consumer
import chassis.worker
from chassis.broker import TopologyError
from chassis.db import Database
from chassis.events import uuid7
from native import Stack


@pytest.fixture
def listening(broker: Broker) -> Listening:
    return Listening(broker.name)


async def is_noted(sql: Sql, words: list[str]) -> bool:
    return await noted(sql) == words


async def everything_is_acknowledged(
    database: Database, settings: SettingsOf, queue: str, broker: Broker, sql: Sql
) -> bool:
    """Whether the next process gets nothing of what was there before."""
    before = await sql.fetchval("SELECT sum(seen) FROM inbox")
    last = Listening(broker.name)
    await broker.put(queue, *said("marker"))
    async with working(last.consumer, database, settings(), queue):
        await eventually(lambda: _called(last, "marker"))
    return bool(await sql.fetchval("SELECT sum(seen) FROM inbox") == before + 1)


async def test_what_is_put_into_a_queue_is_handled_in_order_and_acknowledged(
    database: Database, settings: SettingsOf, broker: Broker, partition: str, sql: Sql, listening: Listening
) -> None:
    words = [str(number) for number in range(120)]
    await broker.put(partition, *said(*words))
    async with working(listening.consumer, database, settings(), partition):
        await eventually(lambda: is_noted(sql, words))
    assert await everything_is_acknowledged(database, settings, partition, broker, sql)
    assert await sql.fetchval("SELECT max(seen) FROM inbox") == 1


async def test_several_queues_are_worked_off_side_by_side_each_in_its_order(
    database: Database, settings: SettingsOf, broker: Broker, partition: str, sql: Sql, listening: Listening
) -> None:
    other = f"{partition}-other"
    await broker.partition(other)
    for letter in "abc":
        await broker.put(partition, *said(letter))
        await broker.put(other, *said(letter.upper()))
    async with working(listening.consumer, database, settings(), partition, other):
        await eventually(lambda: _count(sql, 6))
    words = await noted(sql)
    assert [word for word in words if word.islower()] == ["a", "b", "c"]
    assert [word for word in words if word.isupper()] == ["A", "B", "C"]
    assert await everything_is_acknowledged(database, settings, partition, broker, sql)
    assert await everything_is_acknowledged(database, settings, other, broker, sql)
    await broker.channel.queue_delete(other)


async def _count(sql: Sql, count: int) -> bool:
    return len(await noted(sql)) == count


async def test_what_a_process_handled_but_did_not_commit_is_delivered_to_the_next(
    database: Database, settings: SettingsOf, broker: Broker, partition: str, sql: Sql, listening: Listening
) -> None:
    await broker.put(partition, *said("a", "wait", "b"))
    async with working(listening.consumer, database, settings(), partition) as process:
        await eventually(lambda: _called(listening, "wait"))
        await process.die()
    assert await noted(sql) == []
    listening.go_on.set()
    async with working(listening.consumer, database, settings(), partition):
        await eventually(lambda: is_noted(sql, ["a", "wait", "b"]))
    assert await everything_is_acknowledged(database, settings, partition, broker, sql)


async def _called(listening: Listening, word: str) -> bool:
    return listening.calls[word] > 0


async def test_what_was_committed_but_not_acknowledged_is_known_when_it_comes_again(
    database: Database, settings: SettingsOf, broker: Broker, partition: str, sql: Sql, listening: Listening
) -> None:
    events = said("a", "b")
    await listening.consumer.process(database, events)
    await broker.put(partition, *events, *said("c"))
    async with working(listening.consumer, database, settings(), partition):
        await eventually(lambda: is_noted(sql, ["a", "b", "c"]))
    assert await everything_is_acknowledged(database, settings, partition, broker, sql)


async def test_nothing_is_acknowledged_before_its_commit(
    database: Database, settings: SettingsOf, broker: Broker, partition: str, sql: Sql, listening: Listening
) -> None:
    await broker.put(partition, *said("held"))
    await sql.execute("SELECT pg_advisory_lock(7)")
    async with working(listening.consumer, database, settings(), partition) as process:
        await eventually(lambda: _commit_waits(sql))
        dying = asyncio.create_task(process.die())
        await eventually(lambda: _ready(broker, partition, 1))
        await sql.execute("SELECT pg_advisory_unlock(7)")
        await dying
    assert await broker.ready(partition) == 1
    assert await noted(sql) == ["held"]


async def _commit_waits(sql: Sql) -> bool:
    return bool(await sql.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))


async def test_stopping_ends_after_the_batch_under_way_and_gives_the_rest_back_in_order(
    database: Database, settings: SettingsOf, broker: Broker, partition: str, sql: Sql, listening: Listening
) -> None:
    words = ["wait", *(str(number) for number in range(150))]
    await broker.put(partition, *said(*words))
    async with working(listening.consumer, database, settings(), partition) as process:
        await eventually(lambda: _called(listening, "wait"))
        stopping = asyncio.create_task(process.stop())
        listening.go_on.set()
        await asyncio.wait_for(stopping, PATIENCE_SECONDS)
        done = await noted(sql)
        assert 1 <= len(done) <= chassis.worker.BATCH
        await eventually(lambda: _ready(broker, partition, len(words) - len(done)))
    async with working(listening.consumer, database, settings(), partition):
        await eventually(lambda: is_noted(sql, words))
    assert await sql.fetchval("SELECT max(seen) FROM inbox") == 1


async def test_a_queues_consumer_comes_back_after_the_broker_closed_its_connection(
    database: Database, settings: SettingsOf, broker: Broker, partition: str, sql: Sql, listening: Listening
) -> None:
    await broker.put(partition, *said("a", "wait", "b"))
    async with working(listening.consumer, database, settings(), partition):
        await eventually(lambda: _called(listening, "wait"))
        await eventually(lambda: broker.close_connections("consume"))
        await broker.put(partition, *said("c"))
        listening.go_on.set()
        await eventually(lambda: is_noted(sql, ["a", "wait", "b", "c"]))
    assert await everything_is_acknowledged(database, settings, partition, broker, sql)


async def test_messages_in_the_line_when_the_connection_breaks_are_handled_once_and_in_order(
    database: Database,
    settings: SettingsOf,
    broker: Broker,
    partition: str,
    sql: Sql,
    listening: Listening,
    stack: Stack,
) -> None:
    words = ["wait", *(str(number) for number in range(120))]
    await broker.put(partition, *said(*words))
    async with wire_to_port(stack.ports["rabbitmq"]) as wire:
        through = settings(broker_port=wire.port)
        async with working(listening.consumer, database, through, partition):
            await eventually(lambda: _called(listening, "wait"))
            wire.cut()
            listening.go_on.set()
            await broker.put(partition, *said("last"))
            await eventually(lambda: is_noted(sql, [*words, "last"]))
    assert await everything_is_acknowledged(database, settings, partition, broker, sql)


async def test_in_a_long_outage_of_the_database_everything_is_given_back_and_handled_when_it_is_over(
    database: Database,
    wired: Database,
    wire: Wire,
    settings: SettingsOf,
    broker: Broker,
    partition: str,
    sql: Sql,
    listening: Listening,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chassis.consumer, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(chassis.worker, "OUTAGE_CHECK_SECONDS", 0.1)
    async with working(listening.consumer, wired, settings(), partition):
        await broker.put(partition, *said("a"))
        await eventually(lambda: is_noted(sql, ["a"]))
        wire.down()
        await broker.put(partition, *said("b", "c"))
        await eventually(lambda: _ready(broker, partition, 2))
        async with wire:
            await eventually(lambda: is_noted(sql, ["a", "b", "c"]))
    assert await parked(sql) == []
    assert await everything_is_acknowledged(database, settings, partition, broker, sql)


async def _ready(broker: Broker, queue: str, count: int) -> bool:
    return await broker.ready(queue) == count


async def test_a_worker_outlives_an_outage_of_database_and_broker_at_once(
    wired: Database,
    wire: Wire,
    settings: SettingsOf,
    broker: Broker,
    partition: str,
    sql: Sql,
    listening: Listening,
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chassis.consumer, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(chassis.worker, "OUTAGE_CHECK_SECONDS", 0.1)
    async with wire_to_port(stack.ports["rabbitmq"]) as to_broker:
        through = settings(broker_port=to_broker.port)
        async with working(listening.consumer, wired, through, partition) as process:
            await broker.put(partition, *said("a"))
            await eventually(lambda: is_noted(sql, ["a"]))
            wire.down()
            await broker.put(partition, *said("b"))
            await eventually(lambda: _ready(broker, partition, 1))
            to_broker.cut()
            async with wire:
                await eventually(lambda: is_noted(sql, ["a", "b"]))
                assert not process.running.done()


async def test_a_missing_queue_is_named(database: Database, settings: SettingsOf, listening: Listening) -> None:
    with pytest.raises(TopologyError, match=r"queue 'nowhere' is missing in vhost .*: apply the topology"):
        async with working(listening.consumer, database, settings(), "nowhere"):
            pass


async def test_an_order_whose_events_come_from_two_processes_in_turn_keeps_its_order(
    database: Database, settings: SettingsOf, broker: Broker, partition: str, sql: Sql, listening: Listening
) -> None:
    order = uuid7()
    words = [str(number) for number in range(90)]
    await broker.put(partition, *said(*words, subject=order))
    other = Database(settings())
    async with (
        working(listening.consumer, database, settings(), partition) as first,
        working(listening.consumer, other, settings(), partition),
    ):
        await eventually(lambda: _some(sql))
        await first.die()
        await eventually(lambda: is_noted(sql, words))
    await other.close()


async def _some(sql: Sql) -> bool:
    return len(await noted(sql)) > 0
