"""What no handler can do anything about: malformed, undeliverable, or deadly. It is put aside, and only it."""

import asyncio

import pytest
from chassis_broker import Broker
from chassis_kit import PATIENCE_SECONDS, SettingsOf, Sql, envelope, eventually
from chassis_listening import Listening, noted, parked, said
from chassis_queues import redelivered, working

from chassis.db import Database


@pytest.fixture
def listening(broker: Broker) -> Listening:
    return Listening(broker.name)


async def is_noted(sql: Sql, words: list[str]) -> bool:
    return await noted(sql) == words


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"\x00\xff",
        b"{}",
        b"[]",
        b'{"type": "thing.noted.v1"}',
        envelope().model_dump_json().replace("maker", "ma\\u0000ker").encode(),
        envelope().model_dump_json().replace('"sequence":1', '"sequence":99999999999').encode(),
        envelope().model_dump_json().replace('"partition":0', '"partition":-1').encode(),
        envelope().model_dump_json().replace('"word":""', '"word":"\\ud800"').encode(),
    ],
    ids=["no json", "no text", "empty", "a list", "fields missing", "a NUL", "a huge number", "negative", "surrogate"],
)
async def test_a_malformed_message_is_parked_once_and_its_neighbours_are_handled(
    database: Database,
    settings: SettingsOf,
    broker: Broker,
    partition: str,
    sql: Sql,
    listening: Listening,
    body: bytes,
) -> None:
    before, after = said("before", "after")
    await broker.put(partition, before, body, body, after)
    async with working(listening.consumer, database, settings(), partition):
        await eventually(lambda: is_noted(sql, ["before", "after"]))
    assert await broker.ready(partition) == 0
    assert [bytes(row["body"]) for row in await sql.fetch("SELECT body FROM parked")] == [body]
    assert await sql.fetchval("SELECT count(*) FROM quarantine") == 0


async def test_events_that_were_redelivered_are_handled_one_by_one(
    database: Database, settings: SettingsOf, broker: Broker, partition: str, sql: Sql, listening: Listening
) -> None:
    await broker.put(partition, *said("a", "b", "c"))
    await redelivered(broker, partition, 3, times=2)
    async with working(listening.consumer, database, settings(), partition):
        await eventually(lambda: is_noted(sql, ["a", "b", "c"]))
    assert await sql.fetchval("SELECT count(DISTINCT xmin::text) FROM notes") == 3


async def test_events_that_were_redelivered_often_are_not_parked_without_a_try(
    database: Database, settings: SettingsOf, broker: Broker, partition: str, sql: Sql, listening: Listening
) -> None:
    await broker.put(partition, *said("a", "b"))
    await redelivered(broker, partition, 2, times=8)
    async with working(listening.consumer, database, settings(), partition):
        await eventually(lambda: is_noted(sql, ["a", "b"]))
    assert await parked(sql) == []


async def test_an_event_that_kills_its_process_is_parked_and_its_neighbours_are_handled(
    database: Database, settings: SettingsOf, broker: Broker, partition: str, sql: Sql, listening: Listening
) -> None:
    events = said("a", "wait", "b", "c")
    await broker.put(partition, *events)
    deaths = 0
    while not await parked(sql):
        seen = listening.calls["wait"]
        async with working(listening.consumer, database, settings(), partition) as process:
            await eventually(lambda: _deadly_or_parked(sql, listening, seen))  # noqa: B023  awaited within the round
            if listening.calls["wait"] > seen:
                await (
                    process.die()
                )  # the handler is where it kills: its process goes, with what it has not acknowledged
                deaths += 1
        assert deaths < 10
    async with working(listening.consumer, database, settings(), partition):
        await eventually(lambda: is_noted(sql, ["a", "b", "c"]))
    assert [id_ for id_, _ in await parked(sql)] == [events[1].id]
    assert deaths <= 6


async def _deadly_or_parked(sql: Sql, listening: Listening, seen: int) -> bool:
    return listening.calls["wait"] > seen or bool(await parked(sql))


async def test_what_the_broker_gave_up_is_parked_with_its_reason_and_its_order_waits(
    database: Database, settings: SettingsOf, broker: Broker, partition: str, sql: Sql, listening: Listening
) -> None:
    dead = f"{partition}-dead"
    await broker.partition(dead)
    (event,) = said("late")
    death = [{"reason": "delivery_limit", "queue": "maker.p00", "exchange": "", "count": 1, "routing-keys": [""]}]
    await broker.put(dead, event, headers={"x-death": death})
    await broker.put(dead, *said("quiet"))
    async with working(listening.consumer, database, settings(), dead, dead=True):
        await eventually(lambda: _parked(sql, 2))
    reasons = [reason for _, reason in await parked(sql)]
    assert reasons == [
        "the broker gave it up (delivery_limit in maker.p00)",
        "the broker gave it up (it does not say why)",
    ]
    assert await noted(sql) == []
    assert await sql.fetchval("SELECT count(*) FROM quarantine WHERE subject = $1", event.subject) == 1
    await broker.channel.queue_delete(dead)


async def _parked(sql: Sql, count: int) -> bool:
    return len(await parked(sql)) == count


async def test_a_dead_letter_that_was_handled_after_all_is_not_parked(
    database: Database, settings: SettingsOf, broker: Broker, partition: str, sql: Sql, listening: Listening
) -> None:
    event, marker = said("a", "marker")
    await listening.consumer.process(database, [event])
    await broker.put(partition, event, marker)
    async with working(listening.consumer, database, settings(), partition, dead=True):
        await eventually(lambda: _parked(sql, 1))
    assert [id_ for id_, _ in await parked(sql)] == [marker.id]
    assert await asyncio.wait_for(noted(sql), PATIENCE_SECONDS) == ["a"]
