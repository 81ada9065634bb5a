"""What a person does with what is parked: replay it in order, or drop it; then the order goes on."""

import asyncio
from uuid import UUID

import pytest
from chassis_calls import Call, ask, claimed, start
from chassis_kit import SettingsOf, Sql, Thing, eventually
from chassis_listening import Listening, noted, said

import chassis.consumer
from chassis import parked
from chassis.consumer import HandlerError
from chassis.db import Database
from chassis.events import uuid7
from chassis.parking import ParkError
from chassis.results import Result
from chassis.runner import Runner


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chassis.consumer, "PAUSE_SECONDS", 0.001)


@pytest.fixture
def listening() -> Listening:
    return Listening("alone")


async def park(database: Database, listening: Listening, *words: str, order: UUID) -> list[UUID]:
    """Events of an order that are all parked: the first one failed, the others wait behind it."""
    events = said("park", *words, subject=order)
    await listening.consumer.process(database, events)
    return [event.id for event in events]


async def repair(sql: Sql, id_: UUID) -> None:
    """What was impossible has become possible."""
    await sql.execute("UPDATE parked SET body = convert_to(replace(convert_from(body, 'utf8'), 'park', 'repaired'), "
                      "'utf8') WHERE id = $1", id_)  # fmt: skip


async def in_quarantine(sql: Sql) -> list[UUID]:
    return [row["subject"] for row in await sql.fetch("SELECT subject FROM quarantine")]


async def test_a_replay_handles_an_orders_events_in_order_and_lets_later_ones_pass(
    database: Database, sql: Sql, listening: Listening
) -> None:
    order = uuid7()
    ids = await park(database, listening, "second", "third", order=order)
    await repair(sql, ids[0])
    assert await parked.replay(database, listening.consumer) == ids
    assert await noted(sql) == ["repaired", "second", "third"]
    assert await in_quarantine(sql) == []
    await listening.consumer.process(database, said("fourth", subject=order))
    assert (await noted(sql))[-1] == "fourth"
    assert await sql.fetchval("SELECT count(*) FROM parked") == 0


async def test_what_cannot_be_replayed_stays_parked_with_all_that_is_behind_it(
    database: Database, sql: Sql, listening: Listening
) -> None:
    order = uuid7()
    ids = await park(database, listening, "second", order=order)
    with pytest.raises(HandlerError) as error:
        await parked.replay(database, listening.consumer)
    assert isinstance(error.value.__cause__, ParkError)
    assert await noted(sql) == []
    assert [row["id"] for row in await sql.fetch("SELECT id FROM parked ORDER BY position")] == ids
    assert await in_quarantine(sql) == [order]


async def test_a_replay_of_a_later_event_begins_with_the_earlier_ones_of_its_order(
    database: Database, sql: Sql, listening: Listening
) -> None:
    order = uuid7()
    ids = await park(database, listening, "second", "third", order=order)
    await repair(sql, ids[0])
    assert await parked.replay(database, listening.consumer, ids[1]) == ids[:2]
    assert await noted(sql) == ["repaired", "second"]
    assert await in_quarantine(sql) == [order]


async def test_a_replay_of_one_order_leaves_others_alone(database: Database, sql: Sql, listening: Listening) -> None:
    one, other = uuid7(), uuid7()
    ids = await park(database, listening, order=one)
    await park(database, listening, order=other)
    await repair(sql, ids[0])
    assert await parked.replay(database, listening.consumer, one) == ids
    assert await in_quarantine(sql) == [other]


async def test_two_replays_at_once_handle_each_event_once(database: Database, sql: Sql, listening: Listening) -> None:
    ids = await park(database, listening, "second", "third", order=uuid7())
    await repair(sql, ids[0])
    done = await asyncio.gather(*(parked.replay(database, listening.consumer) for _ in range(3)))
    assert sorted(id_ for each in done for id_ in each) == sorted(ids)
    assert await noted(sql) == ["repaired", "second", "third"]


async def test_an_event_that_arrives_during_the_last_replay_waits_and_is_handled_after_it(
    database: Database, sql: Sql, listening: Listening
) -> None:
    order = uuid7()
    ids = await park(database, listening, "wait", order=order)
    await repair(sql, ids[0])
    replaying = asyncio.create_task(parked.replay(database, listening.consumer))
    await eventually(lambda: _called(listening, "wait"))
    arriving = asyncio.create_task(listening.consumer.process(database, said("arrived", subject=order)))
    await eventually(lambda: _somebody_waits(sql))
    listening.go_on.set()
    await asyncio.gather(replaying, arriving)
    assert await noted(sql) == ["repaired", "wait", "arrived"]


async def _called(listening: Listening, word: str) -> bool:
    return listening.calls[word] > 0


async def _somebody_waits(sql: Sql) -> bool:
    return bool(await sql.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))


async def test_what_is_dropped_is_never_handled_and_its_order_goes_on(
    database: Database, sql: Sql, listening: Listening
) -> None:
    order = uuid7()
    ids = await park(database, listening, "second", order=order)
    assert await parked.drop(database, ids[0]) == [ids[0]]
    assert await in_quarantine(sql) == [order]
    assert await parked.drop(database, order) == [ids[1]]
    assert await in_quarantine(sql) == []
    await listening.consumer.process(database, said("third", subject=order))
    assert await noted(sql) == ["third"]


async def test_a_replayed_effect_is_performed_again(
    database: Database, settings: SettingsOf, sql: Sql, listening: Listening
) -> None:
    runner = Runner(database, [Call()], Thing, settings())
    database.session_info.clear()
    await ask(database)
    runner._results.append(Result((await claimed(database))[0], "bug"))
    await runner._settle_pending()
    assert await sql.fetchval("SELECT source FROM parked") == parked.EFFECT
    assert len(await parked.replay(database, listening.consumer)) == 1
    async with start(database, Call(), settings()):
        await eventually(lambda: _is_noted(sql, ["ok"]))
    assert await in_quarantine(sql) == []


async def _is_noted(sql: Sql, words: list[str]) -> bool:
    return await noted(sql) == words
