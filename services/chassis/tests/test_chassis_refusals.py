"""What the broker refuses, or does not answer: it holds back its own order and nothing else, and is never lost."""

import itertools
from uuid import UUID

import pytest
from chassis_broker import EXCHANGE, Broker
from chassis_kit import Lost, Noted, SettingsOf, Sql, Thing, contract, eventually, make
from chassis_relays import emitting, pending, relaying
from chassis_wire import wire_to_port

import chassis.relay
from chassis.broker import Publisher
from chassis.db import Database
from chassis.events import Envelope
from chassis.outbox import emit
from chassis.relay import Relay
from native import Stack

LOST_KEY = "p00.thing.lost.v1"


@pytest.fixture
def relay(database: Database, publisher: Publisher, broker: Broker) -> Relay:
    """A relay that does a pass when asked to."""
    return Relay(contract(broker.name), database, publisher, 1)


async def emit_lost(database: Database, *, then: str | None = None) -> UUID:
    """An order whose first event has nowhere to go."""
    async with database.transaction("http") as session:
        thing = make(session)
        emit(session, thing, Lost(order_id=thing.id))
        if then is not None:
            emit(session, thing, Noted(order_id=thing.id, word=then))
    return thing.id


def subjects(envelopes: list[Envelope]) -> list[UUID]:
    return [envelope.subject for envelope in envelopes]


async def due_again(sql: Sql) -> None:
    """Time passes until blocked orders are tried again."""
    await sql.execute("UPDATE outbox_blocked SET next_attempt_at = now()")


async def test_an_event_that_goes_nowhere_holds_back_its_order_only(
    database: Database, relay: Relay, broker: Broker, queue: str, sql: Sql
) -> None:
    lost = await emit_lost(database, then="behind it")
    others = await emitting(database, 3)
    await relay.publish([0])
    assert subjects(await broker.take(queue)) == others
    assert await sql.fetchrow("SELECT subject, attempts FROM outbox_blocked") == (lost, 1)
    assert "thing.lost.v1 was returned" in await sql.fetchval("SELECT reason FROM outbox_blocked")
    assert await pending(sql) == 2


async def test_later_events_of_a_blocked_order_stay_behind_and_come_in_order_once_there_is_a_way(
    database: Database, relay: Relay, broker: Broker, queue: str, sql: Sql
) -> None:
    lost = await emit_lost(database)
    await relay.publish([0])
    async with database.transaction("http") as session:
        thing = await session.locked(Thing, lost)
        assert thing is not None
        emit(session, thing, Noted(order_id=lost))
    await relay.publish([0])
    assert await broker.take(queue) == []
    found = await broker.channel.get_queue(queue, ensure=False)
    await found.bind(EXCHANGE, LOST_KEY)
    await due_again(sql)
    await relay.publish([0])
    assert [envelope.sequence for envelope in await broker.take(queue)] == [1, 2]
    assert await sql.fetchval("SELECT count(*) FROM outbox_blocked") == 0


async def test_a_blocked_order_is_tried_again_by_itself(
    database: Database, publisher: Publisher, broker: Broker, queue: str, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis.relay, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(chassis.relay, "BLOCK_BASE_SECONDS", 0.05)
    async with relaying(Relay(contract(broker.name), database, publisher, 1)):
        await emit_lost(database)
        await eventually(lambda: _attempts(sql, 2))
        found = await broker.channel.get_queue(queue, ensure=False)
        await found.bind(EXCHANGE, LOST_KEY)
        await eventually(lambda: _published(sql))


async def _attempts(sql: Sql, least: int) -> bool:
    return bool(await sql.fetchval("SELECT attempts >= $1 FROM outbox_blocked", least))


async def _published(sql: Sql) -> bool:
    return await pending(sql) == 0


async def test_the_pause_of_a_blocked_order_doubles_up_to_a_cap(
    database: Database, relay: Relay, sql: Sql, broker: Broker
) -> None:
    await emit_lost(database)
    pauses = []
    for attempts in range(1, 10):
        await relay.publish([0])
        query = "SELECT attempts, extract(epoch FROM next_attempt_at - now()) FROM outbox_blocked"
        made, seconds = await sql.fetchrow(query) or (0, 0)
        assert made == attempts
        pauses.append(float(seconds))
        await due_again(sql)
    for exponent, pause in enumerate(pauses):
        assert min(60, 0.5 * 2**exponent) - 0.5 <= pause <= min(60, 2**exponent)


async def test_many_blocked_orders_do_not_starve_their_shard(
    database: Database, relay: Relay, broker: Broker, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis.relay, "BATCH_PER_SHARD", 3)
    for _ in range(4):
        await emit_lost(database)
    (free,) = await emitting(database, 1)
    for _ in range(2):
        await relay.publish([0])
    assert subjects(await broker.take(queue)) == [free]


async def test_draining_goes_past_what_the_broker_refuses(
    database: Database, relay: Relay, broker: Broker, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis.relay, "BATCH_PER_SHARD", 3)
    for _ in range(4):
        await emit_lost(database)
    (free,) = await emitting(database, 1)
    await relay.drain(5)
    assert subjects(await broker.take(queue)) == [free]


async def test_an_event_the_broker_nacks_is_blocked_and_not_flagged(
    database: Database, relay: Relay, broker: Broker, sql: Sql
) -> None:
    full = f"full-{Noted.type}"
    await broker.listener(full, "p00.#", arguments={"x-max-length": 0, "x-overflow": "reject-publish"})
    try:
        await emitting(database, 1)
        await relay.publish([0])
    finally:
        await broker.channel.queue_delete(full)
    assert "was nacked" in await sql.fetchval("SELECT reason FROM outbox_blocked")
    assert await pending(sql) == 1


async def test_an_event_is_flagged_only_when_its_confirm_has_arrived(
    database: Database,
    settings: SettingsOf,
    broker: Broker,
    queue: str,
    sql: Sql,
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chassis.relay, "PUBLISH_TIMEOUT_SECONDS", 0.2)
    async with wire_to_port(stack.ports["rabbitmq"]) as wire:
        publisher = Publisher(settings(broker_port=wire.port), broker.name)
        await publisher.open()
        relay = Relay(contract(broker.name), database, publisher, 1)
        (subject,) = await emitting(database, 1)
        wire.lose_answers()
        with pytest.raises(TimeoutError):
            await relay.publish([0])
        assert subjects(await broker.take(queue)) == [subject]
        assert await pending(sql) == 1
        wire.cut()
        wire.resume()
        async with relaying(relay):
            await eventually(lambda: _published(sql))
        assert set(subjects(await broker.take(queue))) <= {subject}
        await publisher.close()


async def test_what_was_confirmed_before_the_connection_broke_is_flagged(
    database: Database, relay: Relay, publisher: Publisher, sql: Sql, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, calls = publisher.publish, itertools.count(1)

    async def breaking(envelope: Envelope, *, mandatory: bool) -> None:
        await publish(envelope, mandatory=mandatory)
        if next(calls) == 3:
            raise ConnectionResetError

    monkeypatch.setattr(publisher, "publish", breaking)
    await emitting(database, 3)
    with pytest.raises(ConnectionResetError):
        await relay.publish([0])
    assert await pending(sql) == 1


async def test_the_relay_goes_on_by_itself_after_its_connection_broke(
    database: Database, settings: SettingsOf, broker: Broker, queue: str, sql: Sql, stack: Stack
) -> None:
    async with wire_to_port(stack.ports["rabbitmq"]) as wire:
        publisher = Publisher(settings(broker_port=wire.port), broker.name)
        await publisher.open()
        async with relaying(Relay(contract(broker.name), database, publisher, 1)):
            first = await emitting(database, 1)
            await eventually(lambda: _published(sql))
            wire.cut()
            second = await emitting(database, 1)
            await eventually(lambda: _published(sql))
        await publisher.close()
    assert list(dict.fromkeys(subjects(await broker.take(queue)))) == first + second


async def test_the_relay_goes_on_by_itself_after_the_broker_closed_its_channel(
    database: Database, settings: SettingsOf, broker: Broker, sql: Sql
) -> None:
    # A message of a foreign user id is refused by closing the channel: so is the next one only if it is foreign, too.
    publisher = Publisher(settings(), broker.name)
    await publisher.open()
    await broker.listener("afterwards", "p00.thing.noted.v1")
    relay = Relay(contract(broker.name), database, publisher, 1)
    publisher._settings = settings(broker_user="somebody-else")
    (subject,) = await emitting(database, 1)
    with pytest.raises(Exception, match=r"PRECONDITION_FAILED|closed"):
        await relay.publish([0])
    publisher._settings = settings()
    async with relaying(relay):
        await eventually(lambda: _published(sql))
    assert subjects(await broker.take("afterwards")) == [subject]
    await broker.channel.queue_delete("afterwards")
    await publisher.close()
