"""The outbox and the inbox by days: made ahead, dropped when everything in them is done with, and never in the way."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from chassis_kit import Sql

from native import Stack

FIRST = date(2031, 3, 1)
INBOX = "INSERT INTO inbox (id, source, type, subject, sequence) VALUES ($1, 's', 't', $1, 1)"
OUTBOX = (
    "INSERT INTO outbox (id, shard, type, subject, sequence, data, correlation_id, published_at)"
    " VALUES ($1, 0, 't', $1, 1, '{}', $1, CASE WHEN $2 THEN now() END)"
)


@pytest.fixture(scope="module")
async def connect(
    stack: Stack, socket: Path, database_name: str, new_database: Callable[[str], str]
) -> Callable[[], "asyncio.Future[Sql]"]:
    """Connects to a database of these tests' own."""
    name = await asyncio.to_thread(new_database, "days")
    port = stack.ports["postgres-primary"]
    return lambda: asyncio.ensure_future(asyncpg.connect(host=str(socket), port=port, user="postgres", database=name))


@pytest.fixture
async def days(connect: Callable[[], "asyncio.Future[Sql]"]) -> AsyncIterator[Sql]:
    """A transaction in it that is rolled back."""
    connection = await connect()
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


def id_of(day: date, hours: int = 12) -> UUID:
    """An id made on that day."""
    milliseconds = ((day - date(1970, 1, 1)).days * 24 + hours) * 3_600_000
    return UUID(int=(milliseconds << 80) | 0x7000_8000_0000_0000_0001)


async def place(sql: Sql, table: str, id_: UUID) -> str:
    """The partition that a row is in."""
    found: str = await sql.fetchval(f"SELECT tableoid::regclass::text FROM {table} WHERE id = $1", id_)  # noqa: S608
    return found


async def parts(sql: Sql, table: str) -> list[str]:
    """The partitions there are, those of these tests' year and the default one."""
    query = "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::regclass ORDER BY name"
    names = [row["name"] for row in await sql.fetch(query, table)]
    return [name for name in names if name.startswith(f"{table}_2031") or name.endswith("default")]


async def test_an_event_lies_in_the_day_of_its_id(days: Sql) -> None:
    await days.execute("SELECT make_days($1, 2)", FIRST)
    for day, hours in ((FIRST, 0), (FIRST, 23), (FIRST + timedelta(1), 0)):
        id_ = id_of(day, hours)
        await days.execute(INBOX, id_)
        await days.execute(OUTBOX, id_, False)  # noqa: FBT003
        assert await place(days, "inbox", id_) == f"inbox_{day:%Y%m%d}"
        assert await place(days, "outbox", id_) == f"outbox_{day:%Y%m%d}"


async def test_an_event_of_a_day_that_nobody_made_has_a_place_and_is_still_known(days: Sql) -> None:
    id_ = id_of(date(2045, 1, 1))
    await days.execute(INBOX, id_)
    assert await place(days, "inbox", id_) == "inbox_default"
    with pytest.raises(asyncpg.UniqueViolationError):
        await days.execute(INBOX, id_)


async def test_making_days_again_changes_nothing(days: Sql) -> None:
    await days.execute("SELECT make_days($1, 3)", FIRST)
    before = await parts(days, "inbox")
    await days.execute("SELECT make_days($1, 3)", FIRST)
    assert await parts(days, "inbox") == before
    assert len(before) == 4


async def test_two_instances_may_make_days_at_once(connect: Callable[[], "asyncio.Future[Sql]"]) -> None:
    connections = [await connect() for _ in range(3)]
    day = date(2032, 1, 1)
    await asyncio.gather(*(each.execute("SELECT make_days($1, 3)", day) for each in connections))
    assert await connections[0].fetchval("SELECT to_regclass('inbox_20320103') IS NOT NULL")
    for each in connections:
        await each.close()


async def test_a_day_that_events_were_faster_than_does_not_stop_the_others(days: Sql) -> None:
    await days.execute(INBOX, id_of(FIRST))
    await days.execute("SELECT make_days($1, 2)", FIRST)
    made = await parts(days, "inbox")
    assert f"inbox_{FIRST:%Y%m%d}" not in made
    assert f"inbox_{FIRST + timedelta(1):%Y%m%d}" in made


async def test_old_days_are_dropped_and_others_stay(days: Sql) -> None:
    await days.execute("SELECT make_days($1, 4)", FIRST)
    await days.execute(INBOX, id_of(FIRST))
    assert await days.fetchval("SELECT drop_days('inbox', $1)", FIRST) > 0
    assert await days.fetchval("SELECT drop_days('inbox', $1)", FIRST + timedelta(2)) == 2
    assert await parts(days, "inbox") == ["inbox_20310303", "inbox_20310304", "inbox_default"]
    assert len(await parts(days, "outbox")) == 5


async def test_a_day_with_an_event_that_is_not_published_stays(days: Sql) -> None:
    await days.execute("SELECT make_days($1, 3)", FIRST)
    await days.execute(OUTBOX, id_of(FIRST), True)  # noqa: FBT003
    await days.execute(OUTBOX, id_of(FIRST + timedelta(1)), False)  # noqa: FBT003
    await days.execute("SELECT drop_days('outbox', $1)", FIRST + timedelta(3))
    assert await parts(days, "outbox") == ["outbox_20310302", "outbox_default"]
    assert await days.fetchval("SELECT count(*) FROM outbox") == 1


async def test_what_missed_its_day_is_dropped_too_unless_it_is_not_published(days: Sql) -> None:
    await days.execute(OUTBOX, id_of(FIRST), True)  # noqa: FBT003
    await days.execute(OUTBOX, id_of(FIRST, 13), False)  # noqa: FBT003
    await days.execute(OUTBOX, id_of(FIRST + timedelta(1)), True)  # noqa: FBT003
    await days.execute("SELECT drop_days('outbox', $1)", FIRST + timedelta(1))
    left = [row["id"] for row in await days.fetch("SELECT id FROM outbox ORDER BY id")]
    assert left == [id_of(FIRST, 13), id_of(FIRST + timedelta(1))]


async def test_the_role_of_a_service_may_make_days_and_no_tables(days: Sql) -> None:
    await days.execute("GRANT EXECUTE ON FUNCTION make_days(date, integer) TO order_app")
    await days.execute("SET ROLE order_app")
    await days.execute("SELECT make_days($1, 1)", FIRST)
    for forbidden in ("SELECT drop_days('inbox', '2000-01-01')", "CREATE TABLE mine (id int)"):
        point = days.transaction()
        await point.start()
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await days.execute(forbidden)
        await point.rollback()
    await days.execute("RESET ROLE")
