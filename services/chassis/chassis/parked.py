"""Looking at what is parked, replaying it in order, or dropping it: the work of a person, through the command line.

A replay takes an order's quarantine row first, as the consumer does, so that an event that arrives meanwhile waits and
then finds either the quarantine or the order in its new state. The last replay lifts the quarantine.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from chassis.consumer import PATIENCE_SECONDS, Consumer, HandlerError
from chassis.db import Database, Session, patience, unavailable
from chassis.events import Envelope
from chassis.parking import ParkError, printable

EFFECT = "effect"  # the `source` of a parked effect

LIST = text("""
    SELECT id, source, type, subject, reason, parked_at, body FROM parked
    WHERE (CAST(:id AS uuid) IS NULL OR id = :id OR subject = :id) ORDER BY position
""")
UP_TO = text("""
    SELECT parked.id, parked.source, parked.subject, parked.body FROM parked
    LEFT JOIN parked AS asked ON asked.id = :id
    WHERE (CAST(:id AS uuid) IS NULL OR parked.id = :id OR parked.subject = :id
           OR (parked.subject = asked.subject AND parked.position < asked.position))
    ORDER BY parked.position
""")
LOCK = text("SELECT subject FROM quarantine WHERE subject = :subject FOR UPDATE")
REMOVE = text("DELETE FROM parked WHERE id = :id RETURNING id")
LIFT = text("""
    DELETE FROM quarantine WHERE subject = :subject AND NOT EXISTS (SELECT FROM parked WHERE subject = :subject)
""")
REVIVE = text("""
    UPDATE effects SET done_at = NULL, outcome = 'replayed', leased_until = NULL, due_at = now() WHERE id = :id
    RETURNING id
""")


class ReplayError(Exception):
    """Some of it stays parked: `failed` says why, by id; what is behind that in its order stays, too."""

    def __init__(self, done: list[UUID], failed: dict[UUID, str]) -> None:
        named = "; ".join(f"{id_} ({reason})" for id_, reason in failed.items())
        super().__init__(f"{len(done)} replayed; these stay parked, with what is behind them in their orders: {named}")
        self.done = done
        self.failed = failed


async def find(session: Session, id_: UUID | None = None) -> Sequence[Row[Any]]:
    """What is parked, in order: everything, one thing by its id, or what belongs to an order."""
    return (await session.execute(LIST, {"id": id_})).all()


async def replay(database: Database, consumer: Consumer, id_: UUID | None = None) -> list[UUID]:
    """Handle what is parked, each in a transaction of its own, in order. Returns the ids.

    Asked for one thing, it begins with what is parked before it of the same order. What cannot be handled stays parked,
    and so do the later events of its order; other orders go on. Raises `ReplayError` at the end if there is any.
    """
    async with database.query("primary") as session:
        rows = (await session.execute(UP_TO, {"id": id_})).all()
    done: list[UUID] = []
    failed: dict[UUID, str] = {}
    stuck = set()
    for row in rows:
        if (order := row.subject or row.id) in stuck:
            continue
        try:
            if await _replay(database, consumer, row):
                done.append(row.id)
        except Exception as error:  # noqa: BLE001  whatever it is, other orders have no part in it
            failed[row.id] = _reason(error)
            stuck.add(order)
            if unavailable(error):
                break  # the database is away: they would all fail
    if failed:
        raise ReplayError(done, failed)
    return done


async def _replay(database: Database, consumer: Consumer, row: Row[Any]) -> bool:
    """Handle one thing; `False` if somebody else has."""
    taken = False
    async for attempt in patience(PATIENCE_SECONDS):
        with attempt:
            async with database.transaction("parking") as session:
                if taken := await _take(session, row):
                    await _again(session, consumer, row)
                    await session.execute(LIFT, {"subject": row.subject})
    return taken


def _reason(error: Exception) -> str:
    """An error in one line."""
    cause = (error.__cause__ if isinstance(error, HandlerError) else None) or error
    return printable(f"{type(cause).__name__}: {cause}").partition("\n")[0]


async def drop(database: Database, id_: UUID) -> list[UUID]:
    """Forget what is parked under this id or order: it will never be handled. Returns the ids."""
    async with database.query("primary") as session:
        rows = await find(session, id_)
    async with database.transaction("parking") as session:
        dropped = [row.id for row in rows if await _take(session, row)]
        for subject in {row.subject for row in rows}:
            await session.execute(LIFT, {"subject": subject})
    return dropped


async def _take(session: Session, row: Row[Any]) -> bool:
    """Lock the order's quarantine, then remove the row; `False` if somebody else has replayed it."""
    await session.execute(LOCK, {"subject": row.subject})
    return await session.scalar(REMOVE, {"id": row.id}) is not None


async def _again(session: Session, consumer: Consumer, row: Row[Any]) -> None:
    if row.source != EFFECT:
        await consumer.rehandle(session, Envelope.parse(row.body))
    elif await session.scalar(REVIVE, {"id": row.id}) is None:
        raise ParkError("its effect does not exist any more, so that it cannot be performed again")
