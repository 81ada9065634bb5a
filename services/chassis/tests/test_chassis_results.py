"""Writing what became of calls: by the latest attempt only, in batches whose members cannot harm each other."""

import random
from dataclasses import replace

import pytest
from chassis_calls import Call, ask, claimed
from chassis_kit import REFUSED, SettingsOf, Sql, Thing

from chassis.db import Database
from chassis.effects import Effect
from chassis.results import Result
from chassis.runner import Runner


@pytest.fixture
def runner(database: Database, settings: SettingsOf) -> Runner:
    """A runner that does nothing by itself."""
    runner = Runner(database, [Call(give_up_seconds=60)], Thing, settings())
    database.session_info.clear()  # nothing is handed over to it
    return runner


async def settle(runner: Runner, *results: Result) -> None:
    """Write these as one batch."""
    runner._results.extend(results)
    assert await runner._settle_pending()


async def words(sql: Sql) -> list[str]:
    return [row["word"] for row in await sql.fetch("SELECT word FROM notes ORDER BY id")]


async def twice_claimed(database: Database, sql: Sql) -> tuple[Effect, Effect]:
    """An effect whose first attempt was overtaken by a second."""
    await ask(database)
    (first,) = await claimed(database)
    await sql.execute("UPDATE effects SET leased_until = now() - interval '1 ms'")
    (second,) = await claimed(database)
    return first, second


async def test_a_stale_attempts_outcome_changes_nothing(database: Database, sql: Sql, runner: Runner) -> None:
    first, second = await twice_claimed(database, sql)
    await settle(runner, Result(first, "stale"))
    assert await words(sql) == []
    assert await sql.fetchval("SELECT done_at FROM effects") is None
    await settle(runner, Result(second, "latest"))
    assert await words(sql) == ["latest"]


async def test_a_stale_attempts_failure_does_not_end_the_latest_ones_lease(
    database: Database, sql: Sql, runner: Runner
) -> None:
    first, _ = await twice_claimed(database, sql)
    await settle(runner, Result(first, later="time-out"))
    assert await sql.fetchval("SELECT leased_until > now() AND outcome IS NULL FROM effects")


async def test_of_two_attempts_in_one_batch_the_latest_counts(database: Database, sql: Sql, runner: Runner) -> None:
    first, second = await twice_claimed(database, sql)
    await settle(runner, Result(first, "stale"), Result(second, "latest"))
    assert await words(sql) == ["latest"]


async def test_a_stale_outcome_beside_the_latest_attempts_failure_changes_nothing(
    database: Database, sql: Sql, runner: Runner
) -> None:
    first, second = await twice_claimed(database, sql)
    await settle(runner, Result(first, "stale"), Result(second, later="time-out"))
    assert await words(sql) == []
    assert await sql.fetchval("SELECT done_at FROM effects") is None


async def test_an_outcome_counts_once(database: Database, sql: Sql, runner: Runner) -> None:
    await ask(database)
    (effect,) = await claimed(database)
    await settle(runner, Result(effect, "ok"))
    await settle(runner, Result(effect, "ok"))
    assert await words(sql) == ["ok"]


@pytest.mark.parametrize("outcome", ["bug", REFUSED], ids=["raised by the step", "raised by the flush"])
async def test_an_outcome_that_cannot_be_applied_is_parked_and_its_neighbours_are_applied(
    database: Database, sql: Sql, runner: Runner, outcome: str
) -> None:
    await ask(database, count=3)
    effects = await claimed(database, 3)
    await settle(runner, *(Result(effect, word) for effect, word in zip(effects, ["a", outcome, "c"], strict=True)))
    assert await words(sql) == ["a", "c"]
    parked = await sql.fetchrow("SELECT id, source, type, subject, reason FROM parked")
    assert parked is not None
    assert tuple(parked)[:4] == (effects[1].id, "effect", "call", effects[1].subject)
    assert "LookupError: a bug" in parked["reason"] or "not_refused" in parked["reason"]
    assert await sql.fetchval("SELECT subject FROM quarantine") == effects[1].subject
    assert (
        await sql.fetchval("SELECT outcome FROM effects WHERE id = $1 AND done_at IS NOT NULL", effects[1].id)
        == "parked"
    )


async def test_a_stale_outcome_that_could_not_be_applied_is_not_parked(
    database: Database, sql: Sql, runner: Runner
) -> None:
    first, _ = await twice_claimed(database, sql)
    await settle(runner, Result(first, "bug"))
    assert await sql.fetchval("SELECT count(*) FROM parked") == 0


async def test_a_failure_and_an_outcome_of_one_batch_are_both_written(
    database: Database, sql: Sql, runner: Runner
) -> None:
    await ask(database, count=2)
    one, other = await claimed(database, 2)
    await settle(runner, Result(one, later="TryLater: busy"), Result(other, "ok"))
    assert await words(sql) == ["ok"]
    row = await sql.fetchrow("SELECT outcome, done_at, leased_until FROM effects WHERE id = $1", one.id)
    assert row == ("TryLater: busy", None, None)


async def test_the_pause_before_the_next_attempt_grows_to_a_cap_and_ends_at_the_deadline(
    database: Database, sql: Sql, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "uniform", lambda _, ceiling: ceiling)
    await ask(database)
    (effect,) = await claimed(database)

    async def pause(attempt: int, deadline: str) -> float:
        await sql.execute(f"UPDATE effects SET attempt = $1, give_up_at = {deadline}", attempt)  # noqa: S608
        await settle(runner, Result(replace(effect, attempt=attempt), later="busy"))
        return float(await sql.fetchval("SELECT extract(epoch FROM due_at - now()) FROM effects"))

    pauses = [await pause(attempt, "NULL") for attempt in (1, 3, 12)]
    assert pauses == pytest.approx([0.4, 1.6, 10], abs=0.3)
    assert await pause(12, "now() + interval '3 s'") == pytest.approx(3, abs=0.3)
