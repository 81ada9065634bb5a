"""A transaction: written whole, committed without being cancelled, run again as a whole, its rows locked in order."""

import asyncio
import time
from typing import Any

import asyncpg
import pytest
from chassis_kit import PATIENCE_SECONDS, Note, Noted, Sql, Thing, eventually, make
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError

import chassis.db
from chassis.connect import NoNodeError
from chassis.db import Database, Session, retrying, transient
from chassis.events import uuid7
from chassis.outbox import emit
from chassis.reads import driver_of
from native import Stack

RAISE = "DO $$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = '{}'; END $$"


async def write(session: Session, word: str = "written") -> None:
    session.add(Note(subject=uuid7(), word=word))
    await session.flush()


async def words(sql: Sql) -> list[str]:
    return [row["word"] for row in await sql.fetch("SELECT word FROM notes ORDER BY id")]


async def test_what_a_block_raises_leaves_nothing_behind(database: Database, sql: Sql) -> None:
    with pytest.raises(LookupError):
        async with database.transaction("http") as session:
            await write(session)
            raise LookupError
    assert await words(sql) == []


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03", "57P01", "57P02", "57P03", "25006", "08006"])
async def test_a_transaction_that_may_succeed_is_run_again_as_a_whole(database: Database, sql: Sql, state: str) -> None:
    attempts = 0
    async for attempt in retrying():
        with attempt:
            attempts += 1
            async with database.transaction("http") as session:
                await write(session, f"attempt {attempts}")
                if attempts < 3:
                    await session.execute(text(RAISE.format(state)))
    assert await words(sql) == ["attempt 3"]


async def test_a_transaction_that_cannot_succeed_is_run_once(database: Database) -> None:
    attempts = 0
    with pytest.raises(IntegrityError):
        async for attempt in retrying():
            with attempt:
                attempts += 1
                async with database.transaction("http") as session:
                    await write(session, "refused")
    assert attempts == 1


async def test_two_transactions_that_deadlock_both_end_well(database: Database, sql: Sql) -> None:
    ids = [uuid7(), uuid7()]
    async with database.transaction("http") as session:
        for id_ in ids:
            make(session, id_=id_)
    attempts = 0
    both = asyncio.Barrier(2)

    async def lock_in_order(first: int, second: int) -> None:
        nonlocal attempts
        async for attempt in retrying():
            with attempt:
                attempts += 1
                async with database.transaction("http") as session:
                    await session.execute(text("SET LOCAL deadlock_timeout = '20ms'"))
                    await session.lock(Thing, [ids[first]])
                    if attempts <= 2:
                        await both.wait()
                    await session.lock(Thing, [ids[second]])
                    await write(session)

    await asyncio.gather(lock_in_order(0, 1), lock_in_order(1, 0))
    assert attempts > 2
    assert len(await words(sql)) == 2


async def test_a_connection_that_the_server_closed_is_replaced_unnoticed(database: Database, sql: Sql) -> None:
    async with database.transaction("http") as session:
        pid = await session.scalar(text("SELECT pg_backend_pid()"))
        driver: Any = (await (await session.connection()).get_raw_connection()).driver_connection
    await sql.execute("SELECT pg_terminate_backend($1, 5000)", pid)
    await eventually(lambda: _is_closed(driver))
    async with database.transaction("http") as session:
        assert await session.scalar(text("SELECT pg_backend_pid()")) != pid


async def _is_closed(driver: Any) -> bool:
    return bool(driver.is_closed())


async def test_a_connection_lost_in_the_middle_costs_an_attempt(database: Database, sql: Sql) -> None:
    attempts = 0
    async for attempt in retrying():
        with attempt:
            attempts += 1
            async with database.transaction("http") as session:
                await write(session, f"attempt {attempts}")
                if attempts == 1:
                    pid = await session.scalar(text("SELECT pg_backend_pid()"))
                    await sql.execute("SELECT pg_terminate_backend($1, 5000)", pid)
                await write(session, f"attempt {attempts}")
    assert await words(sql) == ["attempt 2", "attempt 2"]


async def test_a_process_that_was_frozen_until_its_transaction_was_ended_runs_it_again(
    database: Database, sql: Sql, stack: Stack
) -> None:
    attempts = 0
    async for attempt in retrying():
        with attempt:
            attempts += 1
            async with database.transaction("http") as session:
                await write(session, f"attempt {attempts}")
                if attempts == 1:
                    pid = await session.scalar(text("SELECT pg_backend_pid()"))
                    await session.execute(text("SET LOCAL idle_in_transaction_session_timeout = '50ms'"))
                    stand_still_until_ended(stack, pid)
                await write(session, f"attempt {attempts}")
    assert await words(sql) == ["attempt 2", "attempt 2"]


def stand_still_until_ended(stack: Stack, pid: object) -> None:
    """The whole process, as under SIGSTOP, until there is no such session any more."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while stack.sql(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}") != "0":  # noqa: S608  a number
        assert time.monotonic() < deadline, "the server did not end its session"


async def test_what_the_driver_says_by_itself_is_judged_by_its_state_too(database: Database) -> None:
    async with database.query("primary") as session:
        driver = await driver_of(session)
        for state, again in (("40001", True), ("08003", True), ("57P03", True), ("23505", False), ("57014", False)):
            with pytest.raises(asyncpg.PostgresError) as raised:
                await driver.execute(RAISE.format(state))
            assert transient(raised.value) is again, state
        with pytest.raises(asyncpg.PostgresError) as raised:
            await driver.fetchval("SELECT pg_terminate_backend(pg_backend_pid())")
        assert transient(raised.value)


async def test_retrying_ends_at_its_deadline(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chassis.db, "RETRY_DEADLINE_SECONDS", 0.2)
    started = time.monotonic()
    with pytest.raises(NoNodeError):
        async for attempt in retrying():
            with attempt:
                raise NoNodeError("none")
    assert time.monotonic() - started < 2


async def commit_is_waiting(sql: Sql) -> bool:
    return bool(await sql.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))


@pytest.mark.parametrize("times", [1, 2])
async def test_a_commit_is_never_cancelled(database: Database, sql: Sql, times: int) -> None:
    async def command() -> None:
        async with database.transaction("http") as session:
            await write(session, "held")

    await sql.execute("SELECT pg_advisory_lock(7)")
    try:
        task = asyncio.create_task(command())
        await eventually(lambda: commit_is_waiting(sql))
        for _ in range(times):
            task.cancel()
            await asyncio.wait([task], timeout=0.05)
        assert not task.done(), "the task ended before its COMMIT was answered"
    finally:
        await sql.execute("SELECT pg_advisory_unlock(7)")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await words(sql) == ["held"]


async def test_rows_are_locked_in_one_order_whatever_the_order_asked_for(database: Database, sql: Sql) -> None:
    low, high = sorted([uuid7(), uuid7()])
    for id_ in (high, low):  # in the table they lie in another order
        async with database.transaction("http") as session:
            make(session, id_=id_)
    async with database.transaction("http") as holder, database.transaction("http") as other:
        await holder.lock(Thing, [high])
        waiting = asyncio.create_task(other.lock(Thing, [high, low]))
        await eventually(lambda: _is_locked(sql, low))
        await holder.rollback()
        await waiting


async def _is_locked(sql: Sql, id_: object) -> bool:
    return await sql.fetchval("SELECT id FROM things WHERE id = $1 FOR UPDATE SKIP LOCKED", id_) is None


async def test_a_row_is_locked_once(database: Database) -> None:
    ids = [uuid7(), uuid7(), uuid7()]
    async with database.transaction("http") as session:
        make(session, id_=ids[0])
        make(session, id_=ids[1])
    statements: list[str] = []
    engine = database.engines["api"].sync_engine
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    async with database.transaction("http") as session:
        await session.lock(Thing, ids)
        await session.lock(Thing, ids)
        assert await session.locked(Thing, ids[0]) is not None
        assert await session.locked(Thing, ids[2]) is None
    assert sum(statement.rstrip().endswith("UPDATE") for statement in statements) == 1


async def test_a_created_row_is_found_before_it_is_written(database: Database) -> None:
    async with database.transaction("http") as session:
        thing = make(session)
        assert await session.locked(Thing, thing.id) is thing


async def test_a_locked_row_shows_what_others_committed_meanwhile(database: Database, sql: Sql) -> None:
    async with database.transaction("http") as session:
        id_ = make(session).id
    async with database.transaction("http") as session:
        assert (await session.get_one(Thing, id_)).label == ""
        await sql.execute("UPDATE things SET label = 'new' WHERE id = $1", id_)
        thing = await session.locked(Thing, id_)
        assert thing is not None
        assert thing.label == "new"


async def test_deferred_work_is_done_once_after_everything_else_was_written(database: Database, sql: Sql) -> None:
    seen: list[int] = []

    async def count(session: Session) -> None:
        seen.append(await session.scalar(text("SELECT count(*) FROM notes")) or 0)

    async with database.transaction("http") as session:
        session.defer(count)
        session.add(Note(subject=uuid7(), word="later"))
        session.defer(count)
    assert seen == [1]


async def test_what_deferred_work_emits_is_not_lost(database: Database, sql: Sql) -> None:
    async with database.transaction("http") as session:
        thing = make(session)

        async def announce(session: Session) -> None:
            emit(session, thing, Noted(order_id=thing.id))

        session.defer(announce)
    assert await sql.fetchval("SELECT count(*) FROM outbox") == 1


async def test_listeners_hear_of_commits_only(database: Database) -> None:
    heard: list[Session] = []
    database.listeners.append(heard.append)
    with pytest.raises(IntegrityError):
        async with database.transaction("http") as session:
            session.add(Note(subject=uuid7(), word="refused"))
    assert heard == []
    async with database.transaction("http") as session:
        await write(session)
    assert heard == [session]
