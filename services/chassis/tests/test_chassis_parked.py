"""What a person does with what is parked: replay it in order, or drop it; then the order goes on."""

import asyncio
import sys
from argparse import Namespace
from types import SimpleNamespace
from uuid import UUID

import pytest
from chassis_calls import Call, ask, claimed, start
from chassis_kit import SettingsOf, Sql, Thing, eventually
from chassis_listening import Listening, noted, said

import chassis.consumer
from chassis import operate, parked
from chassis.db import Database
from chassis.events import uuid7
from chassis.parked import ReplayError
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


async def repair(sql: Sql, id_: UUID, word: str = "repaired") -> None:
    """What was impossible has become possible."""
    await sql.execute("UPDATE parked SET body = convert_to(replace(convert_from(body, 'utf8'), 'park', $2), "
                      "'utf8') WHERE id = $1", id_, word)  # fmt: skip


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


async def test_what_is_replayed_counts_as_handled_from_then_on(
    database: Database, sql: Sql, listening: Listening
) -> None:
    [id_] = await park(database, listening, order=uuid7())
    await repair(sql, id_)
    replayed_at = await sql.fetchval("SELECT clock_timestamp()")
    await parked.replay(database, listening.consumer)
    assert await sql.fetchval("SELECT handled_at > $1 FROM inbox WHERE id = $2", replayed_at, id_)


async def test_what_cannot_be_replayed_stays_parked_with_all_that_is_behind_it(
    database: Database, sql: Sql, listening: Listening
) -> None:
    order = uuid7()
    ids = await park(database, listening, "second", order=order)
    with pytest.raises(ReplayError, match=r"^0 replayed") as error:
        await parked.replay(database, listening.consumer)
    assert error.value.failed == {ids[0]: "ParkError: impossible"}
    assert await noted(sql) == []
    assert [row["id"] for row in await sql.fetch("SELECT id FROM parked ORDER BY position")] == ids
    assert await in_quarantine(sql) == [order]


async def test_an_order_that_cannot_be_replayed_does_not_stop_the_others(
    database: Database, sql: Sql, listening: Listening
) -> None:
    first, stuck, malformed, last = uuid7(), uuid7(), uuid7(), uuid7()
    mended = await park(database, listening, "second", order=first)
    broken = await park(database, listening, "behind", order=stuck)
    await sql.execute("INSERT INTO parked (id, source, type, body, reason) VALUES ($1, 's', 't', 'x', 'r')", malformed)
    mended += await park(database, listening, "fourth", order=last)
    for id_ in (mended[0], mended[2]):
        await repair(sql, id_)
    with pytest.raises(ReplayError, match=r"^4 replayed") as error:
        await parked.replay(database, listening.consumer)
    assert error.value.done == mended
    assert set(error.value.failed) == {broken[0], malformed}
    assert await noted(sql) == ["repaired", "second", "repaired", "fourth"]
    assert [row["id"] for row in await sql.fetch("SELECT id FROM parked ORDER BY position")] == [*broken, malformed]
    assert await in_quarantine(sql) == [stuck]


async def test_a_replay_waits_for_the_database_and_ends_where_it_stays_away(
    database: Database, sql: Sql, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [(await park(database, listening, order=uuid7()))[0] for _ in range(3)]
    for id_, word in zip(ids, ("a", "transient", "c"), strict=True):
        await repair(sql, id_, word)
    listening.transient_failures = 1000
    monkeypatch.setattr("chassis.parked.PATIENCE_SECONDS", 0.2)
    with pytest.raises(ReplayError) as error:
        await parked.replay(database, listening.consumer)
    assert (error.value.done, list(error.value.failed)) == (ids[:1], ids[1:2])
    assert listening.calls["transient"] > 1
    listening.transient_failures = listening.calls["transient"] + 1
    assert await parked.replay(database, listening.consumer) == ids[1:]


@pytest.mark.parametrize("failing", [True, False])
async def test_the_command_says_in_one_sentence_what_could_not_be_replayed(
    settings: SettingsOf,
    database: Database,
    listening: Listening,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    failing: bool,
) -> None:
    ids = await park(database, listening, order=uuid7()) if failing else []
    handlers = SimpleNamespace(consumer=listening.consumer)
    monkeypatch.setitem(sys.modules, "maker.handlers", handlers)
    arguments = Namespace(command="parked", action="replay", service="maker", id=None, dry_run=False)
    if failing:
        with pytest.raises(SystemExit, match=f"^0 replayed; these stay parked, .*: {ids[0]} .ParkError: impossible.$"):
            await operate._run(arguments, settings())
    else:
        await operate._run(arguments, settings())
        assert capsys.readouterr().out == "0 replayed\n"


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


async def park_effect(database: Database, settings: SettingsOf) -> None:
    """One whose outcome cannot be applied."""
    runner = Runner(database, [Call()], Thing, settings())
    database.session_info.clear()
    await ask(database)
    runner._results.append(Result((await claimed(database))[0], "bug"))
    await runner._settle_pending()


async def test_a_replayed_effect_is_performed_again(
    database: Database, settings: SettingsOf, sql: Sql, listening: Listening
) -> None:
    await park_effect(database, settings)
    assert await sql.fetchval("SELECT source FROM parked") == parked.EFFECT
    assert len(await parked.replay(database, listening.consumer)) == 1
    async with start(database, Call(), settings()):
        await eventually(lambda: _is_noted(sql, ["ok"]))
    assert await in_quarantine(sql) == []


async def test_an_effect_whose_row_is_gone_stays_parked_instead_of_being_replayed_into_nothing(
    database: Database, settings: SettingsOf, sql: Sql, listening: Listening
) -> None:
    await park_effect(database, settings)
    await sql.execute("DELETE FROM effects")
    with pytest.raises(ReplayError, match="does not exist any more"):
        await parked.replay(database, listening.consumer)
    assert await sql.fetchval("SELECT count(*) FROM parked") == 1


async def _is_noted(sql: Sql, words: list[str]) -> bool:
    return await noted(sql) == words
