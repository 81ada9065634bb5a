"""Performing effects: at once, bounded, again until the outcome is known, and given back at the end."""

import asyncio
import time

import pytest
from chassis_calls import Call, ask, claimed, start
from chassis_kit import SettingsOf, Sql, eventually
from chassis_wire import Wire

import chassis.results
import chassis.runner
from chassis.db import Database
from chassis.effects import TryLater
from chassis.runner import Runner

NEVER_SECONDS = 3600.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chassis.runner, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(chassis.results, "RETRY_BASE_SECONDS", 0.01)


@pytest.fixture
def no_poll(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is found by polling."""
    monkeypatch.setattr(chassis.runner, "POLL_SECONDS", NEVER_SECONDS)


async def words(sql: Sql) -> list[str]:
    return [row["word"] for row in await sql.fetch("SELECT word FROM notes ORDER BY id")]


async def settled(sql: Sql, count: int = 1) -> list[str]:
    """What the settled calls wrote, once all of them are."""

    async def all_done() -> bool:
        return bool(await sql.fetchval("SELECT count(*) = $1 FROM effects WHERE done_at IS NOT NULL", count))

    await eventually(all_done)
    return await words(sql)


async def test_a_call_is_made_right_after_the_commit_without_a_poll(
    database: Database, settings: SettingsOf, sql: Sql, no_poll: None
) -> None:
    async with start(database, call := Call(), settings()):
        await ask(database)
        assert await settled(sql) == ["ok"]
    assert [effect.attempt for effect in call.performed] == [1]
    assert await sql.fetchval("SELECT outcome FROM effects") == "done"


async def test_what_another_process_left_behind_is_found(database: Database, settings: SettingsOf, sql: Sql) -> None:
    await ask(database)
    async with start(database, Call(), settings()):
        assert await settled(sql) == ["ok"]


@pytest.mark.parametrize(
    "error", [TryLater("busy"), RuntimeError("what?"), OSError(), RuntimeError("a\x00b")], ids=repr
)
async def test_an_unknown_outcome_is_asked_for_again_until_it_is_known(
    database: Database, settings: SettingsOf, sql: Sql, error: Exception
) -> None:
    call = Call()
    call.answers = [error, error, "ok"]
    async with start(database, call, settings()):
        await ask(database)
        assert await settled(sql) == ["ok"]
    assert [effect.attempt for effect in call.performed] == [1, 2, 3]


async def test_a_call_is_ended_at_its_time_limit_and_made_again(
    database: Database, settings: SettingsOf, sql: Sql
) -> None:
    call = Call(timeout_seconds=0.05)
    call.answers = [asyncio.Event(), "ok"]
    async with start(database, call, settings()):
        await ask(database)
        assert await settled(sql) == ["ok"]
    assert len(call.performed) == 2


async def test_a_call_past_its_deadline_is_given_up_and_not_made(
    database: Database, settings: SettingsOf, sql: Sql
) -> None:
    call = Call(give_up_seconds=0.1)
    call.answers = [TryLater("down")] * 100
    async with start(database, call, settings()):
        await ask(database)
        assert await settled(sql) == ["given up"]
    calls = len(call.performed)
    assert calls >= 1
    assert await sql.fetchrow("SELECT outcome, attempt FROM effects") == ("given up", calls + 1)


async def test_there_are_never_more_calls_at_once_than_allowed(
    database: Database, settings: SettingsOf, sql: Sql
) -> None:
    call = Call(concurrency=3)
    async with start(database, call, settings()):
        await ask(database, count=10)
        await asyncio.gather(*(ask(database) for _ in range(10)))
        await settled(sql, 20)
    assert call.most_running == 3
    assert len(call.performed) == 20


async def test_a_lease_that_ran_out_while_waiting_for_a_free_slot_is_not_used(
    database: Database, settings: SettingsOf, sql: Sql
) -> None:
    call = Call(timeout_seconds=0.1, concurrency=1)
    short = settings(effect_lease_seconds=0.3, call_timeout_seconds=0.1)
    async with start(database, call, short):
        async with call.guard.bulkhead.slot():
            await ask(database)
            asked = time.monotonic()
            await eventually(lambda: _passed(asked + short.effect_lease_seconds))
        await settled(sql)
    assert call.performed[0].attempt > 1


async def _passed(when: float) -> bool:
    return time.monotonic() > when


async def test_a_frozen_runners_effect_goes_to_another_when_its_lease_ends(
    database: Database, settings: SettingsOf, sql: Sql
) -> None:
    await ask(database)
    (frozen,) = await claimed(database, lease_seconds=0.1)
    async with start(database, call := Call(), settings()):
        await settled(sql)
    assert (frozen.attempt, [effect.attempt for effect in call.performed]) == (1, [2])


async def test_a_superseded_calls_answer_changes_nothing(
    database: Database, settings: SettingsOf, sql: Sql, no_poll: None
) -> None:
    call, answer = Call(), asyncio.Event()
    call.answers = [answer, "second"]
    async with start(database, call, settings()) as runner:
        thing = await ask(database)
        await eventually(lambda: _running(call, 1))
        await ask(database, thing, supersedes=Call.kind)
        assert await settled(sql, 2) == ["second"]
        answer.set()
        await eventually(lambda: _idle(runner))
    assert await words(sql) == ["second"]


async def _running(call: Call, count: int) -> bool:
    return call.running == count


async def _idle(runner: Runner) -> bool:
    return not runner._running and not runner._results


async def test_an_answer_outlives_a_lost_database(wired: Database, settings: SettingsOf, sql: Sql, wire: Wire) -> None:
    call, answer = Call(), asyncio.Event()
    call.answers = [answer, "second"]
    async with start(wired, call, settings()):
        await ask(wired)
        await eventually(lambda: _running(call, 1))
        wire.cut()
        answer.set()
        assert await settled(sql) == ["ok"]
    assert len(call.performed) == 1


async def test_stopping_waits_for_running_calls_and_writes_their_outcomes(
    database: Database, settings: SettingsOf, sql: Sql
) -> None:
    call, answer = Call(), asyncio.Event()
    call.answers = [answer]
    async with start(database, call, settings()) as runner:
        await ask(database)
        await eventually(lambda: _running(call, 1))
        stopping = asyncio.create_task(runner.stop(5))
        await asyncio.wait([stopping], timeout=0.05)
        answer.set()
        await stopping
        assert await words(sql) == ["ok"]


async def test_stopping_gives_back_what_does_not_end_in_time(
    database: Database, settings: SettingsOf, sql: Sql
) -> None:
    call = Call(timeout_seconds=5)
    call.answers = [asyncio.Event()]
    async with start(database, call, settings()) as runner:
        await ask(database)
        await eventually(lambda: _running(call, 1))
        await runner.stop(0.05)
        assert await sql.fetchval("SELECT done_at IS NULL AND leased_until IS NULL AND due_at <= now() FROM effects")


async def test_stopping_does_not_wait_for_a_database_that_stays_away(
    wired: Database, wire: Wire, settings: SettingsOf, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis.runner, "WRITE_SECONDS", 0.1)
    call, answer = Call(), asyncio.Event()
    call.answers = [answer]
    async with start(wired, call, settings()) as runner:
        await ask(wired)
        await eventually(lambda: _running(call, 1))
        wire.down()
        answer.set()
        await runner.stop(5)
        assert runner._results, "they wait for the database"
        await wire.__aenter__()
    assert await words(sql) == ["ok"]


async def test_what_is_asked_for_while_stopping_is_left_to_others(
    database: Database, settings: SettingsOf, sql: Sql
) -> None:
    call, answer = Call(), asyncio.Event()
    call.answers = [answer]
    call.word = "again"
    async with start(database, call, settings()) as runner:
        await ask(database)
        await eventually(lambda: _running(call, 1))
        stopping = asyncio.create_task(runner.stop(5))
        await asyncio.wait([stopping], timeout=0.05)
        answer.set()
        await stopping
    assert await words(sql) == ["again"]
    assert await sql.fetchrow("SELECT attempt, leased_until FROM effects WHERE done_at IS NULL") == (0, None)


async def test_stopping_gives_back_what_a_poll_was_claiming(database: Database, settings: SettingsOf, sql: Sql) -> None:
    call = Call(timeout_seconds=5)
    call.answers = [asyncio.Event()]
    async with start(database, call, settings()) as runner:
        async with sql.transaction():
            await sql.execute("LOCK TABLE effects IN EXCLUSIVE MODE")
            await sql.execute(
                "INSERT INTO effects (id, kind, subject, aggregate_id, payload, partition, correlation_id)"
                " SELECT id, 'call', id, id, '{}', 0, id FROM (SELECT gen_random_uuid() AS id) AS row"
            )
            await eventually(lambda: _claim_waits(sql))
            stopping = asyncio.create_task(runner.stop(0.1))
            await asyncio.wait([stopping], timeout=0.2)
        await stopping
    assert await sql.fetchval("SELECT leased_until FROM effects") is None


async def _claim_waits(sql: Sql) -> bool:
    waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'effects'::regclass AND NOT granted"
    return bool(await sql.fetchval(waiting))


async def test_outcomes_that_were_being_written_when_it_stops_are_written_once_each(
    database: Database, settings: SettingsOf, sql: Sql, no_poll: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis.runner, "RESULTS_PER_TRANSACTION", 1)
    call, go_on = Call(timeout_seconds=5), asyncio.Event()
    call.answers = [go_on, go_on]
    async with start(database, call, settings()) as runner:
        await ask(database, count=2)
        await eventually(lambda: _running(call, 2))
        async with sql.transaction():
            await sql.execute("SELECT FROM things FOR UPDATE")
            go_on.set()
            await eventually(lambda: _results(runner, 2))
            stopping = asyncio.create_task(runner.stop(5))
            await asyncio.wait([stopping], timeout=0.1)
        await stopping
    assert await words(sql) == ["ok", "ok"]


async def _results(runner: Runner, count: int) -> bool:
    return len(runner._results) == count
