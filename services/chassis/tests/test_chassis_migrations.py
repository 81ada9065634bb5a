"""Migrations: whole or not at all, once however many jobs there are, and nothing starts without them."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator

import asyncpg
import pytest
from chassis_kit import SettingsOf, Sql, eventually

import chassis.db
from chassis.db import Database
from chassis.migrations import NoDatabaseError, NotMigratedError, check_migrated
from native import Stack

NAME = f"alone_chassis_{os.getpid()}_empty"
JOB = """
import sys
from chassis.connect import Connector, create_engine
from chassis.migrations import upgrade

host, port, database = sys.argv[1:]
connector = Connector([(host, int(port))], "primary", database=database, user="postgres", password="")
upgrade("maker", create_engine(connector.connect, "primary", size=2))
"""


@pytest.fixture
async def empty(stack: Stack, settings: SettingsOf) -> AsyncIterator[Sql]:
    """A database with nothing in it."""
    await asyncio.to_thread(stack.sql, f'CREATE DATABASE "{NAME}"')
    ((host, port),) = settings().nodes
    connection: Sql = await asyncpg.connect(host=host, port=port, user="postgres", database=NAME)
    yield connection
    await connection.close()
    await asyncio.to_thread(stack.sql, f'DROP DATABASE "{NAME}" WITH (FORCE)')


async def job(settings: SettingsOf) -> tuple[int | None, str]:
    """A migration job on it: its exit status and what it complained of."""
    ((host, port),) = settings().nodes
    arguments = (sys.executable, "-c", JOB, host, str(port), NAME)
    process = await asyncio.create_subprocess_exec(*arguments, stderr=asyncio.subprocess.PIPE)
    _, complaint = await process.communicate()
    return process.returncode, complaint.decode()


async def version(sql: Sql) -> str | None:
    if await sql.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    found: str = await sql.fetchval("SELECT version_num FROM alembic_version")
    return found


async def check(settings: SettingsOf) -> None:
    """What a service does first."""
    database = Database(settings(database_name=NAME))
    try:
        await check_migrated(database, "maker")
    finally:
        await database.close()


async def test_two_jobs_at_once_migrate_once_and_both_succeed(empty: Sql, settings: SettingsOf) -> None:
    with pytest.raises(NotMigratedError, match=r"is not migrated, this service needs 0002: run python"):
        await check(settings)
    await empty.execute("SELECT pg_advisory_lock(hashtext('migrations'))")
    jobs = [asyncio.create_task(job(settings)) for _ in range(2)]
    await eventually(lambda: _waiting(empty, 2))
    assert await version(empty) is None
    await empty.execute("SELECT pg_advisory_unlock(hashtext('migrations'))")
    assert await asyncio.gather(*jobs) == [(0, ""), (0, "")]
    assert await version(empty) == "0002"
    assert await empty.fetchval("SELECT count(*) FROM outbox") == 0
    await check(settings)


async def _waiting(sql: Sql, count: int) -> bool:
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    return bool(await sql.fetchval(waiting) == count)


async def test_a_migration_that_fails_leaves_nothing_of_itself(empty: Sql, settings: SettingsOf) -> None:
    await empty.execute("CREATE TABLE broken (id integer)")
    status, complaint = await job(settings)
    assert status != 0
    assert "broken" in complaint
    assert await version(empty) is None
    assert await empty.fetchval("SELECT to_regclass('things')") is None


async def test_a_service_does_not_start_on_an_older_or_newer_database(empty: Sql, settings: SettingsOf) -> None:
    await empty.execute("CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('0001')")
    with pytest.raises(NotMigratedError, match=r"is at migration 0001, this service needs 0002"):
        await check(settings)
    await empty.execute("UPDATE alembic_version SET version_num = '0003'")
    with pytest.raises(NotMigratedError, match=r"is at migration 0003, this service needs 0002"):
        await check(settings)


async def test_a_database_that_does_not_come_is_named_with_what_to_check(
    settings: SettingsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis.db, "RETRY_DEADLINE_SECONDS", 0.1)
    database = Database(settings(database_hosts="/nowhere:1"))
    with pytest.raises(NoDatabaseError, match=r"/nowhere:1 .*Check QS_DATABASE_HOSTS and the password"):
        await check_migrated(database, "maker")
    await database.close()
