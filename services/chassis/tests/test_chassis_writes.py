"""What a transaction writes last goes in one round trip, tells what it has done, and may refuse it all."""

import pytest
from chassis_kit import Noted, Sql, make
from sqlalchemy import event

from chassis.db import Database, Session
from chassis.outbox import emit
from chassis.writes import Rows, Write

NOTE = """
    INSERT INTO notes (subject, word)
    SELECT gen_random_uuid(), word FROM unnest(CAST(:{0}_words AS text[])) AS word RETURNING word
"""


def note(name: str, *words: str, told: Rows | None = None) -> Write:
    parameters = {"words": list(words)}
    if told is None:
        return Write(name, NOTE.format(name), parameters)
    return Write(name, NOTE.format(name), parameters, told.extend)


def defer(session: Session, write: Write) -> None:
    async def hook(_: Session) -> Write:
        return write

    session.defer(hook)


async def words(sql: Sql) -> list[str]:
    return [row["word"] for row in await sql.fetch("SELECT word FROM notes ORDER BY word")]


async def test_everything_is_written_in_one_statement(database: Database, sql: Sql) -> None:
    statements: list[str] = []
    told: Rows = []
    async with database.transaction("http") as session:
        thing = make(session)
        await session.flush()
        event.listen(
            database.engines["api"].sync_engine,
            "before_cursor_execute",
            lambda _, __, statement, *___: statements.append(statement),
        )
        emit(session, thing, Noted(order_id=thing.id))
        await session.flush()
        statements.clear()
        defer(session, note("first", "a", "b"))
        defer(session, note("second", "c", told=told))
    assert len([statement for statement in statements if "INSERT" in statement]) == 1
    assert await words(sql) == ["a", "b", "c"]
    assert [row["word"] for row in told] == ["c"]
    assert await sql.fetchval("SELECT count(*) FROM outbox") == 1


async def test_whoever_is_told_may_refuse_and_nothing_is_written(database: Database, sql: Sql) -> None:
    def refuse(rows: Rows) -> None:
        raise LookupError(len(rows))

    with pytest.raises(LookupError, match="0"):
        async with database.transaction("http") as session:
            defer(session, note("first", "a"))
            defer(session, Write("second", NOTE.format("second"), {"words": []}, refuse))
    assert await words(sql) == []


async def test_nothing_to_write_costs_no_round_trip(database: Database) -> None:
    async with database.transaction("http") as session:

        async def nothing(_: Session) -> None:
            return None

        session.defer(nothing)
        await session.prepare()
        assert not session.in_transaction()
