"""The database and the broker away at once: one consumer remains of each queue, and no event is lost."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiormq
import pytest
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection
from chassis_broker import Broker
from chassis_kit import PATIENCE_SECONDS, SettingsOf, Sql, eventually
from chassis_listening import Listening, noted, said
from chassis_queues import Process, working
from chassis_wire import Wire, wire_to_port

import chassis.consumer
import chassis.delivery
import chassis.subscription
import chassis.worker
from chassis.broker import connect
from chassis.db import Database
from chassis.events import Envelope
from chassis.subscription import BROKER_AWAY, Line, Subscription
from native import Stack


@pytest.fixture
async def to_broker(stack: Stack) -> AsyncIterator[Wire]:
    """What the worker's connection to the broker goes through."""
    async with wire_to_port(stack.ports["rabbitmq"]) as wire:
        yield wire


@pytest.fixture
def answers(wired: Database, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What a worker that has closed its channels was told of `wired`; its patience and its pauses are short."""
    monkeypatch.setattr(chassis.consumer, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(chassis.worker, "OUTAGE_CHECK_SECONDS", 0.1)
    told: list[bool] = []
    writable = wired.writable

    async def tell() -> bool:
        told.append(await writable())
        return told[-1]

    monkeypatch.setattr(wired, "writable", tell)
    return told


async def waits_for_the_database(answers: list[bool]) -> None:
    """Until the worker has closed its channels: it asks for the database only then."""
    answers.clear()
    await eventually(lambda: _has(answers, 1))


async def _has(answers: list[bool], count: int) -> bool:
    return len(answers) >= count


def reconnected(connection: AbstractRobustConnection) -> asyncio.Event:
    """Set once the connection is back, with every channel that the client restores."""
    event = asyncio.Event()
    connection.reconnect_callbacks.add(lambda _: event.set())
    return event


async def is_noted(sql: Sql, words: str) -> bool:
    return await noted(sql) == words.split()


async def ends_well(broker: Broker, partition: str, sql: Sql, process: Process, words: str) -> None:
    """Each event is handled and in the inbox once, in order, by a worker that has no second consumer of the queue."""
    await eventually(lambda: is_noted(sql, words))
    assert await sql.fetchval("SELECT count(*) FROM inbox") == len(words.split())
    assert await sql.fetchval("SELECT max(seen) FROM inbox") == 1
    await has_no_second_consumer(broker, partition, process)


async def has_no_second_consumer(broker: Broker, partition: str, process: Process) -> None:
    """Its connection stays open; so a consumer that it does not close would be the next one that the broker serves."""
    await process.stop()
    await eventually(lambda: _unserved(broker, partition))


async def _unserved(broker: Broker, queue: str) -> bool:
    return not await broker.served(queue)


async def test_after_an_outage_of_both_an_outage_of_the_database_loses_nothing(
    wired: Database,
    wire: Wire,
    to_broker: Wire,
    answers: list[bool],
    settings: SettingsOf,
    broker: Broker,
    partition: str,
    sql: Sql,
) -> None:
    listening = Listening(broker.name)
    async with working(listening.consumer, wired, settings(broker_port=to_broker.port), partition) as process:
        back = reconnected(process.connection)
        await broker.put(partition, *said("a"))
        await eventually(lambda: is_noted(sql, "a"))
        await broker.put(partition, *said("wait"))
        await eventually(lambda: _called(listening, "wait"))
        to_broker.refuse()
        wire.down()
        listening.go_on.set()
        await waits_for_the_database(answers)
        to_broker.resume()
        await asyncio.wait_for(back.wait(), PATIENCE_SECONDS)
        async with wire:
            await eventually(lambda: is_noted(sql, "a wait"))
        await broker.put(partition, *said("c", "d"))
        await waits_for_the_database(answers)
        async with wire:
            await broker.put(partition, *said("e"))
            await ends_well(broker, partition, sql, process, "a wait c d e")


async def _called(listening: Listening, word: str) -> bool:
    return listening.calls[word] > 0


async def test_a_worker_whose_database_is_back_waits_for_the_broker_too(
    wired: Database,
    wire: Wire,
    to_broker: Wire,
    answers: list[bool],
    settings: SettingsOf,
    broker: Broker,
    partition: str,
    sql: Sql,
) -> None:
    listening = Listening(broker.name)
    async with working(listening.consumer, wired, settings(broker_port=to_broker.port), partition) as process:
        await broker.put(partition, *said("a"))
        await eventually(lambda: is_noted(sql, "a"))
        wire.down()
        await broker.put(partition, *said("b"))
        await waits_for_the_database(answers)
        to_broker.refuse()
        async with wire:
            await eventually(lambda: _in_vain(answers, 3))
            to_broker.resume()
            await broker.put(partition, *said("c"))
            await ends_well(broker, partition, sql, process, "a b c")


async def _in_vain(answers: list[bool], times: int) -> bool:
    """Whether the database was there so often while the worker could not go on."""
    return answers.count(True) >= times


async def test_what_is_no_event_is_given_back_too_while_the_database_is_away(
    wired: Database,
    wire: Wire,
    answers: list[bool],
    settings: SettingsOf,
    broker: Broker,
    partition: str,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chassis.delivery, "PATIENCE_SECONDS", 0.1)

    async def is_parked() -> bool:
        return bool(await sql.fetchval("SELECT count(*) FROM parked") == 1)

    async with working(Listening(broker.name).consumer, wired, settings(), partition):
        wire.down()
        await broker.put(partition, b"no event")
        await waits_for_the_database(answers)
        async with wire:
            await eventually(is_parked)


async def test_a_worker_outlives_a_stuck_connection_that_cancels_an_acknowledgement(
    database: Database,
    settings: SettingsOf,
    broker: Broker,
    partition: str,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def cancel(*_: object, **__: object) -> None:
        raise asyncio.CancelledError  # as the client does, with nobody having cancelled the worker

    monkeypatch.setattr(aiormq.Channel, "basic_ack", cancel)
    async with working(Listening(broker.name).consumer, database, settings(), partition):
        await broker.put(partition, *said("a"))
        await eventually(lambda: is_noted(sql, "a"))
        await broker.put(partition, *said("b"))
        await eventually(lambda: is_noted(sql, "a b"))


@pytest.fixture
async def consuming(to_broker: Wire, settings: SettingsOf, broker: Broker) -> AsyncIterator[AbstractRobustConnection]:
    """A connection whose wire the test can cut."""
    connection = await connect(settings(broker_port=to_broker.port), broker.name, "consume")
    yield connection
    await connection.close()


async def test_a_channel_that_is_closed_while_the_client_restores_it_stays_closed(
    consuming: AbstractRobustConnection,
    to_broker: Wire,
    broker: Broker,
    partition: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subscription = Subscription(broker.name, partition)
    await subscription.open(consuming, lambda _, message: None)
    restoring, go_on = asyncio.Event(), asyncio.Event()
    open_channel = aiormq.Connection.channel

    async def hesitate(new: aiormq.Connection, **options: Any) -> object:
        if not new.is_closed:
            restoring.set()
            await go_on.wait()
        return await open_channel(new, **options)

    monkeypatch.setattr(aiormq.Connection, "channel", hesitate)
    back = reconnected(consuming)
    to_broker.cut()
    await asyncio.wait_for(restoring.wait(), PATIENCE_SECONDS)
    closing = asyncio.create_task(subscription.close())
    await asyncio.sleep(0)  # it has begun
    go_on.set()
    await closing
    await asyncio.wait_for(back.wait(), PATIENCE_SECONDS)
    await eventually(lambda: _unserved(broker, partition))


async def test_a_channel_that_cannot_be_closed_is_closed_before_the_next_one_opens(
    consuming: AbstractRobustConnection,
    to_broker: Wire,
    broker: Broker,
    partition: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subscription = Subscription(broker.name, partition)
    words: list[str] = []

    def line_up(_: object, message: AbstractIncomingMessage) -> None:
        words.append(Envelope.parse(message.body).data["word"])

    await subscription.open(consuming, line_up)
    to_broker.stop()
    await broker.put(partition, *said("a"))
    with monkeypatch.context() as impatient:
        impatient.setattr(chassis.subscription, "CHANNEL_SECONDS", 0.1)
        await subscription.close()
    to_broker.resume()
    await eventually(lambda: _reopened(subscription, line_up))
    await broker.put(partition, *said("b"))
    await eventually(lambda: _are(words, {"a", "b"}))
    await subscription.close()
    await eventually(lambda: _unserved(broker, partition))


async def _reopened(subscription: Subscription, line: Line) -> bool:
    """As the worker does it: the broker may close the connection because of the channel that it was told to close."""
    try:
        await subscription.reopen(line)
    except BROKER_AWAY:
        await subscription.close()
        return False
    return True


async def _are(words: list[str], expected: set[str]) -> bool:
    return set(words) == expected
