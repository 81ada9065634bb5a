"""The relay: every committed event is published, in its order's order, by whichever process gets to it."""

import asyncio
from collections import defaultdict
from typing import Any
from uuid import UUID

import aiormq
import pytest
from chassis_broker import Broker
from chassis_kit import Noted, SettingsOf, Sql, Thing, Whispered, contract, eventually, make
from chassis_listening import said
from chassis_relays import Stuck, emitting, pending, relaying
from sqlalchemy import text

import chassis.relay
from chassis.broker import Publisher
from chassis.db import Database
from chassis.events import Envelope
from chassis.outbox import emit
from chassis.relay import Relay

PARTITIONS = 4
BATCH = 300


@pytest.fixture
def relay(database: Database, publisher: Publisher, broker: Broker) -> Relay:
    """A relay that does a pass when asked to."""
    return Relay(contract(broker.name), database, publisher, PARTITIONS)


async def publish(relay: Relay) -> None:
    """Pass after pass, until there is nothing left that can be published."""
    while (await relay.publish(range(PARTITIONS)))[1]:
        pass


def by_order(envelopes: list[Envelope]) -> dict[UUID, list[int]]:
    """Each order's sequence numbers as they came."""
    found = defaultdict(list)
    for envelope in envelopes:
        found[envelope.subject].append(envelope.sequence)
    return found


async def test_a_committed_event_is_published_as_it_was_emitted(
    database: Database, relay: Relay, broker: Broker, queue: str, sql: Sql
) -> None:
    async with database.transaction("http") as session:
        thing = make(session, "hello", partition=2)
        cause = session.cause
    await publish(relay)
    source = await broker.channel.get_queue(queue)
    message = await source.get(no_ack=True)
    assert message is not None
    envelope = Envelope.parse(message.body)
    assert (envelope.specversion, envelope.source, envelope.type) == ("1.0", "maker", "thing.noted.v1")
    assert (envelope.subject, envelope.sequence, envelope.partition) == (thing.id, 1, 2)
    assert envelope.data == {"order_id": str(thing.id), "word": "hello"}
    assert (envelope.correlationid, envelope.causationid) == (cause.correlation_id, None)
    assert (message.message_id, message.type) == (str(envelope.id), envelope.type)
    assert (message.correlation_id, message.user_id) == (str(envelope.correlationid), broker.name)
    assert (message.delivery_mode, message.content_type) == (2, "application/cloudevents+json")
    assert message.routing_key == "p02.thing.noted.v1"
    assert await pending(sql) == 0


async def test_nothing_is_published_that_was_rolled_back(
    database: Database, relay: Relay, broker: Broker, queue: str
) -> None:
    with pytest.raises(LookupError):
        async with database.transaction("http") as session:
            make(session, "never")
            await session.prepare()
            raise LookupError
    await publish(relay)
    assert await broker.take(queue) == []


async def test_a_commit_wakes_the_relay_of_its_process_without_a_poll(
    database: Database, publisher: Publisher, broker: Broker, queue: str, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis.relay, "POLL_SECONDS", 3600.0)
    async with relaying(Relay(contract(broker.name), database, publisher, PARTITIONS)):
        for _ in range(2):  # the first one may still be found by the loop's first pass
            await emitting(database, 1)
            await eventually(lambda: _none_pending(sql))
    assert len(await broker.take(queue)) == 2


async def test_a_batch_is_written_in_a_few_turns_of_the_event_loop(
    publisher: Publisher, broker: Broker, queue: str
) -> None:
    """Not each event in a turn of its own: on a busy loop that is seconds for a batch."""
    assert publisher._channel is not None
    channel: Any = await publisher._channel.get_underlay_channel()
    batch = said(*["word"] * BATCH)
    publishing = asyncio.gather(*(publisher.publish(envelope, mandatory=True) for envelope in batch))
    turns = 0
    while channel.delivery_tag < BATCH:
        await asyncio.sleep(0)
        turns += 1
    assert turns < 10
    await publishing
    assert len(await broker.take(queue)) == BATCH


async def test_a_relay_outlives_a_stuck_connection_that_cancels_what_waits_for_a_confirm(
    database: Database, publisher: Publisher, broker: Broker, queue: str, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    basic_publish, calls = aiormq.Channel.basic_publish, 0

    async def cancel_once(channel: aiormq.Channel, *args: Any, **options: Any) -> object:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise asyncio.CancelledError  # as the client does, with nobody having cancelled the relay
        return await basic_publish(channel, *args, **options)

    monkeypatch.setattr(aiormq.Channel, "basic_publish", cancel_once)
    async with relaying(Relay(contract(broker.name), database, publisher, PARTITIONS)):
        await emitting(database, 1)
        await eventually(lambda: _none_pending(sql))
    assert len(await broker.take(queue)) == 1


async def test_while_the_broker_blocks_publishers_nothing_is_written_that_would_pile_up(
    database: Database, publisher: Publisher, relay: Relay, broker: Broker, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert publisher._channel is not None
    channel: Any = await publisher._channel.get_underlay_channel()
    unblocked: asyncio.Event = channel.connection._Connection__connection_unblocked
    await emitting(database, 1)
    unblocked.clear()  # as after `Connection.Blocked`, which the broker sends when it runs out of memory
    with monkeypatch.context() as impatient:
        impatient.setattr(chassis.relay, "PUBLISH_TIMEOUT_SECONDS", 0.1)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await relay.publish(range(PARTITIONS))
    assert channel.delivery_tag == 0
    unblocked.set()
    await publish(relay)
    assert len(await broker.take(queue)) == 1


async def _none_pending(sql: Sql) -> bool:
    return await pending(sql) == 0


async def test_an_orders_events_arrive_in_order_from_concurrent_writers_and_two_relays_each_once(
    database: Database, publisher: Publisher, settings: SettingsOf, broker: Broker, queue: str, sql: Sql
) -> None:
    other, other_publisher = Database(settings()), Publisher(settings(), broker.name)
    await other_publisher.open()
    async with database.transaction("http") as session:
        things = [make(session, partition=number % 2).id for number in range(5)]

    async def write(writer: Database, rounds: int) -> None:
        for number in range(rounds):
            async with writer.transaction("http") as session:
                thing = await session.locked(Thing, things[number % len(things)])
                assert thing is not None
                emit(session, thing, Noted(order_id=thing.id))
                emit(session, thing, Noted(order_id=thing.id))

    async with (
        relaying(Relay(contract(broker.name), database, publisher, PARTITIONS)),
        relaying(Relay(contract(broker.name), other, other_publisher, PARTITIONS)),
    ):
        await asyncio.gather(*(write(writer, 10) for writer in (database, other) for _ in range(3)))
        await eventually(lambda: _none_pending(sql))
    await other_publisher.close()
    await other.close()
    arrived = by_order(await broker.take(queue))
    assert arrived == {thing: list(range(1, 25)) for thing in things}


async def test_more_than_a_batch_is_published_whole(
    database: Database, relay: Relay, broker: Broker, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis.relay, "BATCH_PER_SHARD", 3)
    async with database.transaction("http") as session:
        thing = make(session, *"abcdefgh")
    await publish(relay)
    assert by_order(await broker.take(queue)) == {thing.id: list(range(1, 9))}


async def test_an_event_that_commits_late_with_a_lower_number_is_not_lost(
    database: Database, relay: Relay, broker: Broker, queue: str
) -> None:
    async with database.transaction("http") as late:
        first = make(late, "written first, committed last")
        await late.prepare()
        (second,) = await emitting(database, 1)
        await publish(relay)
        assert list(by_order(await broker.take(queue))) == [second]
        late._deferred.clear()
    await publish(relay)
    assert list(by_order(await broker.take(queue))) == [first.id]


async def test_an_event_without_subscribers_is_published_although_nobody_listens(
    database: Database, relay: Relay, sql: Sql
) -> None:
    async with database.transaction("http") as session:
        thing = make(session)
        emit(session, thing, Whispered(order_id=thing.id))
    await publish(relay)
    assert await pending(sql) == 0


async def test_a_relay_that_is_frozen_with_its_lock_stops_nobody_once_its_connection_has_ended(
    database: Database, relay: Relay, settings: SettingsOf, broker: Broker, queue: str, sql: Sql
) -> None:
    (subject,) = await emitting(database, 1)
    frozen_database = Database(settings())
    stuck = Stuck(settings(), broker.name)
    frozen = asyncio.create_task(Relay(contract(broker.name), frozen_database, stuck, PARTITIONS).publish([0]))
    await stuck.reached.wait()
    assert await relay.publish(range(PARTITIONS)) == ({1, 2, 3}, 0)
    await sql.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND objid = 0 AND granted"
    )
    await publish(relay)
    assert list(by_order(await broker.take(queue))) == [subject]
    frozen.cancel()
    await asyncio.gather(frozen, return_exceptions=True)
    await frozen_database.close()


async def test_a_shard_that_another_relay_holds_does_not_hold_back_the_others(
    database: Database, publisher: Publisher, broker: Broker, queue: str, sql: Sql
) -> None:
    async with sql.transaction():
        await sql.execute(f"SELECT pg_advisory_xact_lock({chassis.relay.LOCK_CLASS}, 0)")
        async with relaying(Relay(contract(broker.name), database, publisher, PARTITIONS)):
            (held,) = await emitting(database, 1, partition=0)
            for _ in range(3):
                (free,) = await emitting(database, 1, partition=1)
                await eventually(lambda: _is_published(database, free))  # noqa: B023  awaited within the round
            assert not await _is_published(database, held)


async def _is_published(database: Database, subject: UUID) -> bool:
    async with database.query("primary") as session:
        query = text("SELECT published_at IS NOT NULL FROM outbox WHERE subject = :subject")
        return bool(await session.scalar(query, {"subject": subject}))


async def test_draining_publishes_everything(
    database: Database, relay: Relay, broker: Broker, queue: str, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis.relay, "BATCH_PER_SHARD", 2)
    await emitting(database, 7)
    await relay.drain(5)
    assert len(await broker.take(queue)) == 7
    assert await pending(sql) == 0


async def test_draining_ends_in_time_when_the_broker_does_not_answer(
    database: Database, settings: SettingsOf, broker: Broker, sql: Sql
) -> None:
    await emitting(database, 1)
    relay = Relay(contract(broker.name), database, Stuck(settings(), broker.name), PARTITIONS)
    await asyncio.wait_for(relay.drain(0.1), 2)
    assert await pending(sql) == 1
