"""Effects behind a breaker and a bulkhead: what they refuse is no attempt, and waits for nobody once all is well."""

import asyncio

import pytest
from chassis_calls import Call, ask, start
from chassis_kit import SettingsOf, Sql, eventually

import chassis.results
import chassis.runner
from chassis.db import Database
from chassis.effects import TryLater
from chassis.resilience import State

DOWN = TryLater("down")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chassis.runner, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(chassis.results, "RETRY_BASE_SECONDS", 0.001)


def opened(call: Call) -> Call:
    """Its breaker is open, for as long as the test likes: nothing has been asked of anybody."""
    breaker = call.guard.breaker
    while breaker.state is State.CLOSED:
        breaker.report(breaker.admit(), failed=True)
    breaker._clock = lambda: breaker._opened_at
    return call


def healed(call: Call) -> None:
    """The breaker's time has come: it lets probes through."""
    breaker = call.guard.breaker
    now = breaker._opened_at + breaker.policy.open_seconds
    breaker._clock = lambda: now


async def done(sql: Sql, count: int) -> bool:
    return bool(await sql.fetchval("SELECT count(*) = $1 FROM effects WHERE done_at IS NOT NULL", count))


async def test_behind_an_open_breaker_nothing_is_claimed_and_no_attempt_is_counted(
    database: Database, settings: SettingsOf, sql: Sql
) -> None:
    call = opened(Call())
    async with start(database, call, settings()) as runner:
        await ask(database, count=3)
        for _ in range(3):
            await runner._poll()
        attempts = await sql.fetch("SELECT DISTINCT attempt, leased_until, done_at FROM effects")
        assert [tuple(row) for row in attempts] == [(0, None, None)]
        healed(call)
        await eventually(lambda: done(sql, 3))
    assert [effect.attempt for effect in call.performed] == [1, 1, 1]


async def test_behind_an_open_breaker_calls_are_still_given_up_in_time(
    database: Database, settings: SettingsOf, sql: Sql
) -> None:
    call = opened(Call(give_up_seconds=0.05))
    async with start(database, call, settings()):
        await ask(database)
        await eventually(lambda: done(sql, 1))
    assert call.performed == []
    assert await sql.fetchval("SELECT word FROM notes") == "given up"


async def test_what_was_waiting_in_memory_when_the_breaker_opened_is_given_back_untried(
    database: Database, settings: SettingsOf, sql: Sql
) -> None:
    call, hanging = Call(concurrency=1), asyncio.Event()
    call.answers = [hanging]
    async with start(database, call, settings()):
        await ask(database)
        await eventually(lambda: _running(call))
        await ask(database, count=3)  # handed over, and waiting for the one place
        opened(call)
        hanging.set()
        await eventually(lambda: _given_back(sql, 3))
        healed(call)
        await eventually(lambda: done(sql, 4))
    assert {effect.attempt for effect in call.performed} == {1}


async def _running(call: Call) -> bool:
    return call.running == 1


async def _given_back(sql: Sql, count: int) -> bool:
    waiting = "SELECT count(*) = $1 FROM effects WHERE done_at IS NULL AND leased_until IS NULL AND attempt = 0"
    return bool(await sql.fetchval(waiting, count))


async def test_a_breaker_that_closes_makes_waiting_calls_due(
    database: Database, settings: SettingsOf, sql: Sql
) -> None:
    call = opened(Call())
    async with start(database, call, settings()):
        await ask(database, count=20)
        await sql.execute(
            "UPDATE effects SET due_at = now() + interval '1 h' WHERE id NOT IN (SELECT id FROM effects LIMIT 3)"
        )
        healed(call)
        await eventually(lambda: done(sql, 20))
    assert call.guard.breaker.state is State.CLOSED


async def test_a_dependency_that_is_down_is_called_at_the_rate_of_the_probes(
    database: Database, settings: SettingsOf, sql: Sql
) -> None:
    call = Call()
    call.answers = [DOWN] * 1000
    async with start(database, call, settings()):
        await ask(database, count=100)
        await eventually(lambda: _is(call, State.OPEN))
        opened(call)
        before = len(call.performed)
        for _ in range(3):
            opened_at = call.guard.breaker._opened_at
            healed(call)
            await eventually(lambda: _opened_since(call, opened_at))  # noqa: B023  awaited within the round
        assert len(call.performed) - before <= 3 * call.guard.policy.breaker.probes
        call.answers.clear()
        healed(call)
        await eventually(lambda: done(sql, 100))


async def _opened_since(call: Call, opened_at: float) -> bool:
    return call.guard.breaker._opened_at > opened_at


async def _is(call: Call, state: State) -> bool:
    return call.guard.breaker._state is state


async def test_of_a_hanging_dependency_no_more_calls_are_under_way_than_the_bulkhead_has_places(
    database: Database, settings: SettingsOf, sql: Sql
) -> None:
    call = Call(concurrency=4, timeout_seconds=0.05)
    call.answers = [asyncio.Event() for _ in range(40)]
    async with start(database, call, settings()):
        await ask(database, count=30)
        await eventually(lambda: _is(call, State.OPEN))
        call.answers.clear()
        await eventually(lambda: done(sql, 30))
    assert call.most_running == 4


async def test_a_call_that_failed_for_a_reason_of_its_own_does_not_open_the_breaker(
    database: Database, settings: SettingsOf, sql: Sql
) -> None:
    call = Call()
    call.answers = [TryLater("greylisted", alive=True)] * 20
    async with start(database, call, settings()):
        await ask(database, count=10)
        await eventually(lambda: done(sql, 10))
    assert call.guard.breaker.state is State.CLOSED
    assert len(call.performed) == 30
