"""The HTTP boundary: an answer of 2xx is committed, exactly once, whatever happened to the connection meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from chassis_kit import Note, SettingsOf, Sql, eventually
from chassis_shop import Shop, open_shop, refuse
from chassis_wire import Wire
from sqlalchemy import text

import chassis.db
from bearer import Tokens
from chassis.db import Database, Session
from chassis.events import uuid7


@pytest.fixture(scope="module")
async def open_once(settings: SettingsOf, tokens: Tokens) -> AsyncIterator[Shop]:
    database = Database(settings())
    async with open_shop(settings(), database, tokens) as shop:
        yield shop
    await database.close()


@pytest.fixture
def shop(open_once: Shop, database: Database) -> Shop:
    open_once.plan(database)
    return open_once


async def things(sql: Sql) -> int:
    count: int = await sql.fetchval("SELECT count(*) FROM things")
    return count


async def hold(session: Session) -> None:
    """Let the COMMIT wait for the test."""
    session.add(Note(subject=uuid7(), word="held"))


async def fail_at_commit(session: Session) -> None:
    session.add_all(Note(subject=uuid7(), word="twice", once="x") for _ in range(2))


async def fail_before_commit(session: Session) -> None:
    session.defer(refuse)


async def lose_connection(session: Session) -> None:
    await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


async def conflict(session: Session) -> None:
    await session.execute(text("DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END $$"))


async def test_the_answer_waits_for_the_commit(shop: Shop, database: Database, sql: Sql) -> None:
    shop.plan(database, hold)
    await sql.execute("SELECT pg_advisory_lock(7)")
    try:
        asking = asyncio.create_task(shop.make())
        await eventually(lambda: _commit_waits(sql))
        assert not asking.done()
    finally:
        await sql.execute("SELECT pg_advisory_unlock(7)")
    assert (await asking).status == 201
    assert await things(sql) == 1


async def _commit_waits(sql: Sql) -> bool:
    return bool(await sql.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))


@pytest.mark.parametrize(("act", "status"), [(fail_at_commit, 500), (fail_before_commit, 409), (refuse, 409)])
async def test_what_fails_to_commit_is_never_answered_with_success(
    shop: Shop, database: Database, sql: Sql, act: Any, status: int
) -> None:
    shop.plan(database, act)
    assert (await shop.make()).status == status
    assert await things(sql) == 0
    assert await sql.fetchval("SELECT count(*) FROM outbox") == 0


@pytest.mark.parametrize("act", [lose_connection, conflict])
async def test_an_attempt_that_was_lost_is_made_again_and_has_effect_once(
    shop: Shop, database: Database, sql: Sql, act: Any
) -> None:
    shop.plan(database, act, act)
    answer = await shop.make()
    assert answer.status == 201
    assert "idempotent-replayed" not in answer.headers
    assert [str(row["id"]) for row in await sql.fetch("SELECT id FROM things")] == [answer.body["id"]]
    assert await sql.fetchval("SELECT count(*) FROM outbox") == 1


async def test_a_commit_whose_answer_was_lost_counts_and_is_answered_as_the_first(
    shop: Shop, wired: Database, wire: Wire, sql: Sql
) -> None:
    shop.plan(wired)
    await shop.make("another")
    wire.lose_answer_to(b"COMMIT")
    answer = await shop.make()
    assert wire.lost == 1
    assert answer.status == 201
    assert "idempotent-replayed" not in answer.headers
    assert answer.headers["location"] == f"/things/{answer.body['id']}"
    assert await things(sql) == 2
    assert await sql.fetchval("SELECT seen FROM idempotency WHERE key = 'key'") == 2


async def test_a_dependency_is_closed_within_its_attempt_and_before_the_commit(shop: Shop, database: Database) -> None:
    shop.plan(database, conflict)
    seen = shop.state.seen
    database.listeners.append(lambda _: seen.append("committed"))
    assert (await shop.ask("PUT", "/things/1")).status == 200
    assert seen == ["open", "do", "close", "open", "do", "close", "committed"]


async def test_what_a_command_wrote_a_fresh_query_sees(shop: Shop) -> None:
    await shop.make()
    assert (await shop.ask("GET", "/things")).body["count"] == 1


async def test_what_a_command_emits_carries_its_requests_correlation_id(shop: Shop, sql: Sql) -> None:
    correlation_id = uuid7()
    await shop.make(**{"X-Correlation-Id": str(correlation_id)})
    assert await sql.fetchval("SELECT correlation_id FROM outbox") == correlation_id


async def test_a_database_that_stays_away_is_answered_503_in_time(
    shop: Shop, wired: Database, wire: Wire, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis.db, "RETRY_DEADLINE_SECONDS", 0.2)
    shop.plan(wired)
    wire.down()
    answer = await shop.make()
    assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
    assert int(answer.headers["retry-after"]) > 0
    assert (await shop.ask("GET", "/things")).status == 503


async def test_a_conflict_that_does_not_end_is_answered_503(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis.db, "RETRY_DEADLINE_SECONDS", 0.2)
    shop.plan(database, *[conflict] * 50)
    answer = await shop.make()
    assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")


async def test_a_full_pool_is_answered_503(
    shop: Shop, settings: SettingsOf, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Database(settings(database_pool_size=2))
    small.engines["api"].pool._timeout = 0.05
    async with small.transaction("http") as one, small.transaction("http") as other:
        await one.execute(text("SELECT 1"))
        await other.execute(text("SELECT 1"))
        shop.plan(small)
        answer = await shop.make()
    await small.close()
    assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
