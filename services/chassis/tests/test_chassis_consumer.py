"""Handling batches of events: each once, in order, committed or parked; what fails harms nobody else."""

import asyncio
from typing import Any

import pytest
from chassis_kit import REFUSED, Noted, SettingsOf, Sql, Thing, contract, envelope, eventually
from chassis_listening import Listening, noted, parked, said
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

import chassis.consumer
from chassis import inbox
from chassis.connect import NoNodeError
from chassis.consumer import Consumer
from chassis.db import Database, Session
from chassis.events import Event, MalformedEventError, read, uuid7
from chassis.outbox import emit
from chassis.parking import BEHIND

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chassis.consumer, "PAUSE_SECONDS", 0.001)


@pytest.fixture
def listening() -> Listening:
    return Listening("alone")


async def test_fresh_events_are_handled_in_order_in_one_transaction(
    database: Database, sql: Sql, listening: Listening
) -> None:
    await listening.consumer.process(database, said("a", "b", "c"))
    assert await noted(sql) == ["a", "b", "c"]
    assert await sql.fetchval("SELECT count(DISTINCT xmin::text) FROM notes") == 1
    assert await sql.fetchval("SELECT count(*) FROM inbox WHERE seen = 1") == 3


async def test_an_event_that_comes_again_is_counted_and_not_handled(
    database: Database, sql: Sql, listening: Listening
) -> None:
    events = said("a", "b")
    await listening.consumer.process(database, events)
    await listening.consumer.process(database, events[1:])
    assert await noted(sql) == ["a", "b"]
    assert [row["seen"] for row in await sql.fetch("SELECT seen FROM inbox ORDER BY position")] == [1, 2]


async def test_an_event_that_comes_twice_in_one_batch_is_handled_once(
    database: Database, sql: Sql, listening: Listening
) -> None:
    one, other = said("a", "b")
    await listening.consumer.process(database, [one, other, one])
    assert await noted(sql) == ["a", "b"]
    assert await sql.fetchval("SELECT seen FROM inbox WHERE id = $1", one.id) == 2


async def test_two_consumers_given_the_same_events_at_once_handle_each_once(
    database: Database, sql: Sql, settings: SettingsOf, listening: Listening
) -> None:
    other, events = Database(settings()), said(*"abcdefgh")
    await asyncio.gather(
        listening.consumer.process(database, events),
        listening.consumer.process(other, events[:5]),
        listening.consumer.process(other, events[2:]),
    )
    await other.close()
    assert sorted(await noted(sql)) == [*"abcdefgh"]
    assert await sql.fetchval("SELECT sum(seen) FROM inbox") == 8 + 5 + 6


async def test_an_event_whose_handler_raises_is_parked_after_five_tries_and_its_neighbours_are_handled(
    database: Database, sql: Sql, listening: Listening
) -> None:
    events = said("a", "b", "raise", "c", "d")
    await listening.consumer.process(database, events)
    assert await noted(sql) == ["a", "b", "c", "d"]
    assert await parked(sql) == [(events[2].id, "LookupError: no such thing")]
    assert listening.calls["raise"] == 5
    assert await sql.fetchval("SELECT body FROM parked") == events[2].model_dump_json().encode()


async def test_several_failing_events_of_a_batch_are_parked_each(
    database: Database, sql: Sql, listening: Listening
) -> None:
    events = said("raise", "a", REFUSED, "park", "b")
    await listening.consumer.process(database, events)
    assert await noted(sql) == ["a", "b"]
    assert {id_ for id_, _ in await parked(sql)} == {events[0].id, events[2].id, events[3].id}


async def test_what_a_handler_says_is_impossible_is_parked_without_further_tries(
    database: Database, sql: Sql, listening: Listening
) -> None:
    await listening.consumer.process(database, said("a", "park"))
    assert [reason for _, reason in await parked(sql)] == ["ParkError: impossible"]
    assert listening.calls["park"] <= 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data": {"word": "no order"}}, "order_id"),
        ({"data": {"order_id": "x", "word": "y"}}, "order_id"),
        ({"type": "thing.unknown.v1"}, "there is no handler for thing.unknown.v1"),
    ],
    ids=["field missing", "field wrong", "type unknown"],
)
async def test_an_event_its_consumer_cannot_read_is_parked(
    database: Database, sql: Sql, listening: Listening, changes: dict[str, Any], reason: str
) -> None:
    await listening.consumer.process(database, [envelope(word="a"), envelope(**changes), envelope(word="b")])
    assert await noted(sql) == ["a", "b"]
    ((_, found),) = await parked(sql)
    assert reason in found


@pytest.mark.parametrize("word", [REFUSED, "once"], ids=["at the flush", "at the commit"])
async def test_an_event_that_fails_only_when_written_is_found_and_parked(
    database: Database, sql: Sql, listening: Listening, word: str
) -> None:
    await sql.execute("INSERT INTO notes (subject, word, once) VALUES (gen_random_uuid(), 'before', 'x')")
    events = said("a", word, "b")
    await listening.consumer.process(database, events)
    assert await noted(sql) == ["before", "a", "b"]
    assert [id_ for id_, _ in await parked(sql)] == [events[1].id]


async def test_later_events_of_a_parked_events_order_wait_behind_it_and_others_go_on(
    database: Database, sql: Sql, listening: Listening
) -> None:
    broken = uuid7()
    first, same_batch = said("raise", "same batch", subject=broken)
    (next_batch,) = said("next batch", subject=broken)
    await listening.consumer.process(database, [first, *said("a"), same_batch])
    await listening.consumer.process(database, [next_batch, *said("b")])
    assert await noted(sql) == ["a", "b"]
    assert await parked(sql) == [
        (first.id, "LookupError: no such thing"),
        (same_batch.id, BEHIND),
        (next_batch.id, BEHIND),
    ]
    assert [row["subject"] for row in await sql.fetch("SELECT subject FROM quarantine")] == [broken]


def test_why_an_event_cannot_be_read_is_said_without_what_is_in_it() -> None:
    with pytest.raises(MalformedEventError) as error:
        read(envelope(data={"email": "somebody@customers.example", "payment_token": "tok_secret"}), Noted)
    assert "order_id" in str(error.value)
    assert "somebody" not in str(error.value)
    assert "tok_secret" not in str(error.value)


async def test_a_parked_event_that_comes_again_stays_parked_once(
    database: Database, sql: Sql, listening: Listening
) -> None:
    (broken,) = said("raise")
    for _ in range(2):
        await listening.consumer.process(database, [broken])
    assert len(await parked(sql)) == 1
    assert listening.calls["raise"] == 5
    assert await sql.fetchval("SELECT seen FROM inbox") == 2


async def test_an_event_behind_one_that_another_process_parks_this_moment_is_parked_too(
    database: Database, sql: Sql, listening: Listening
) -> None:
    first, second = said("park", "later", subject=uuid7())

    async def waits() -> bool:
        return bool(await sql.fetchval(WAITING))

    async with database.transaction("consumer") as session:
        await inbox.record(session, [first])
        await listening.consumer._park(session, first, "impossible")
        other = asyncio.create_task(listening.consumer.process(database, [first, second]))
        await eventually(waits)
    await other
    assert await parked(sql) == [(first.id, "impossible"), (second.id, BEHIND)]
    assert await noted(sql) == []


async def test_a_transient_error_runs_the_whole_batch_again_and_parks_nothing(
    database: Database, sql: Sql, listening: Listening
) -> None:
    listening.transient_failures = 5  # as many as the tries a handler's own error gets
    await listening.consumer.process(database, said("a", "transient", "b"))
    assert await noted(sql) == ["a", "transient", "b"]
    assert await parked(sql) == []
    assert listening.calls["a"] == 6


async def test_a_database_that_stays_away_is_told_to_the_caller_and_nothing_is_parked(
    settings: SettingsOf, listening: Listening, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis.consumer, "PATIENCE_SECONDS", 0.1)
    away = Database(settings(database_hosts="/nowhere:1"))
    with pytest.raises(NoNodeError):
        await listening.consumer.process(away, said("a"))
    await away.close()
    assert await sql.fetchval("SELECT count(*) FROM inbox") == 0


async def test_a_suspect_is_not_parked_for_outages_that_its_process_survived(
    database: Database, sql: Sql, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis.consumer, "PATIENCE_SECONDS", 0.1)
    listening.transient_failures = 1_000_000
    [suspect] = said("transient")
    for _ in range(chassis.consumer.LETHAL_TRIES + 2):
        with pytest.raises(DBAPIError):
            await listening.consumer.try_alone(database, suspect)
    listening.transient_failures = 0
    await listening.consumer.try_alone(database, suspect)
    assert await noted(sql) == ["transient"]


async def test_what_a_failing_handler_emitted_is_not_published(database: Database, sql: Sql) -> None:
    consumer = Consumer(contract("alone"), Thing)

    @consumer.on(Noted)
    async def fail(event: Noted, session: Session) -> None:
        thing = session.create(Thing(id=event.order_id, partition=0))
        emit(session, thing, event)
        raise LookupError

    await consumer.process(database, said("a"))
    assert await sql.fetchval("SELECT count(*) FROM outbox") == 0
    assert await sql.fetchval("SELECT count(*) FROM things") == 0


async def test_what_a_handler_emits_names_its_cause(database: Database, sql: Sql) -> None:
    consumer = Consumer(contract("alone"), Thing)

    @consumer.on(Noted)
    async def answer(event: Noted, session: Session) -> None:
        thing = session.create(Thing(id=event.order_id, partition=session.cause.partition))
        emit(session, thing, event)

    events = [envelope(word="a", partition=1), envelope(word="b", partition=3)]
    await consumer.process(database, events)
    rows = await sql.fetch("SELECT causation_id, correlation_id, shard FROM outbox ORDER BY seq")
    assert [tuple(row) for row in rows] == [(each.id, each.correlationid, each.partition) for each in events]


async def test_the_rows_of_a_batch_are_locked_in_one_round_trip(database: Database, listening: Listening) -> None:
    statements: list[str] = []
    engine = database.engines["primary"].sync_engine
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    await listening.consumer.process(database, said(*"abcdefgh"))
    assert sum(statement.rstrip().endswith("UPDATE") for statement in statements) == 1


async def test_a_reason_never_tells_what_was_written(database: Database, sql: Sql, listening: Listening) -> None:
    consumer = Consumer(contract("alone"), Thing)

    @consumer.on(Noted)
    async def write(_: Noted, session: Session) -> None:
        session.add(Thing(id=uuid7(), partition=99999, label="tok_secret"))
        await session.flush()

    await consumer.process(database, said("a"))
    ((_, reason),) = await parked(sql)
    assert "smallint" in reason or "int16" in reason
    assert "tok_secret" not in reason


async def test_an_error_that_cannot_be_written_as_text_is_parked_all_the_same(
    database: Database, sql: Sql, listening: Listening
) -> None:
    listening.error = ValueError("a\x00b")
    await listening.consumer.process(database, said("raise", "after"))
    ((_, reason),) = await parked(sql)
    assert reason.startswith("ValueError: a")
    assert await noted(sql) == ["after"]


def test_an_event_that_is_not_declared_cannot_be_handled() -> None:
    class Foreign(Event, type="foreign.v1"):
        pass

    async def handle(_: Foreign, __: Session) -> None:
        pass

    with pytest.raises(ValueError, match=r"foreign\.v1 is handled but not declared"):
        Consumer(contract("alone"), Thing).on(Foreign)(handle)


def test_a_declared_event_without_a_handler_is_named() -> None:
    with pytest.raises(ValueError, match=r"without a handler: thing\.noted\.v1"):
        Consumer(contract("alone"), Thing).check()
