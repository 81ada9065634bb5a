"""The daily settlement: what moved by our books and by the provider's ledger, side by side, and every difference.

A batch beside the stream: it finds what the stream cannot know of itself. Payments are compared one by one, not sums,
and wherever the other side booked one: around midnight the two clocks may put it into different days. No transaction is
open while the provider is asked. The result of a day is one row, written whole by one transaction: run again, it is
replaced; killed half-way, it is as it was.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Row, func, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.db import Database, Session
from payment.models import Settlement
from payment.provider import Charge, LedgerEntry, Provider

Kind = Literal["capture", "refund"]
KINDS: tuple[Kind, Kind] = ("capture", "refund")

ALONE = text("SELECT pg_try_advisory_lock(hashtext('settlement'))")
BOOKED = text("""
    SELECT id, status, amount_cents, currency,
           captured_at >= day.since AND captured_at < day.until AS capture,
           refunded_at >= day.since AND refunded_at < day.until AS refund
    FROM payments, (SELECT CAST(CAST(:day AS date) AS timestamptz) AS since,
                           CAST(CAST(:day AS date) + 1 AS timestamptz) AS until) AS day
    WHERE captured_at >= day.since AND captured_at < day.until
       OR refunded_at >= day.since AND refunded_at < day.until
""")
KNOWN = text("SELECT id, status, amount_cents, currency FROM payments WHERE id = ANY(CAST(:ids AS uuid[]))")
# A charge that we called off or heard nothing of: what it took must have been given back.
CLEARED = ("voiding", "voided", "declined")
GIVEN_BACK = ("voided", "refunded")


class Difference(BaseModel):
    """One payment that the two books do not agree on. Cents are `None` where a book does not have it."""

    model_config = ConfigDict(frozen=True)

    key: str
    kind: Kind
    what: Literal["missing there", "missing here", "other amount"]
    ours_cents: int | None
    theirs_cents: int | None


class Total(BaseModel):
    """What one book says of one day, kind and currency."""

    count: int = 0
    cents: int = 0


@dataclass
class Books:
    """A day as it is read: who booked what, and what does not fit."""

    ours: dict[tuple[str, Kind], Row[Any]]
    totals: defaultdict[tuple[str, Kind, str], Total] = field(default_factory=lambda: defaultdict(Total))
    differences: list[Difference] = field(default_factory=list)
    seen: set[tuple[str, Kind]] = field(default_factory=set)
    called_off: list[LedgerEntry] = field(default_factory=list)

    def count(self, book: str, kind: Kind, currency: str | None, cents: int) -> None:
        """Add to a total."""
        total = self.totals[book, kind, currency or ""]
        total.count += 1
        total.cents += cents

    def differ(self, key: str, kind: Kind, ours_cents: int | None, theirs_cents: int | None) -> None:
        """Note a difference."""
        what: Any = (
            "missing there" if theirs_cents is None else "missing here" if ours_cents is None else "other amount"
        )
        difference = Difference(key=key, kind=kind, what=what, ours_cents=ours_cents, theirs_cents=theirs_cents)
        self.differences.append(difference)


class BusyError(Exception):
    """Another instance settles this moment."""


async def settle(database: Database, provider: Provider, day: date) -> Settlement:
    """Compare a UTC day and keep the result. Raises `BusyError`, or `TryLater` while the provider is away."""
    async with alone(database) as connection:
        books = await _read(connection, provider, day)
        async with database.transaction("settlement") as session:
            return await _keep(session, day, books)


@asynccontextmanager
async def alone(database: Database) -> AsyncIterator[AsyncConnection]:
    """Nobody else settles within the block. Raises `BusyError`.

    The lock is the connection's, not a transaction's: the server ends one that is idle for as long as a slow provider
    takes. The connection is not used again, so that the lock ends with it however the block does.
    """
    async with database.engines["primary"].connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        try:
            if not await connection.scalar(ALONE):
                raise BusyError
            yield connection
        finally:
            await connection.invalidate()


async def _read(connection: AsyncConnection, provider: Provider, day: date) -> Books:
    books = Books(await _booked(connection, day))
    for (_, kind), row in books.ours.items():
        books.count("ours", kind, row.currency, row.amount_cents)
    async for entries in provider.ledger(day):
        await _compare_page(connection, books, [entry for entry in entries if entry.kind in KINDS])
    for key, kind in books.ours.keys() - books.seen:
        _compare_charge(books, key, kind, await provider.look_up(UUID(key)))
    for entry in books.called_off:
        charge = await provider.look_up(UUID(entry.key))
        if charge is None or charge.status not in GIVEN_BACK:
            books.differ(entry.key, "capture", None, entry.amount_cents)
    return books


async def _booked(connection: AsyncConnection, day: date) -> dict[tuple[str, Kind], Row[Any]]:
    rows = (await connection.execute(BOOKED, {"day": day})).all()
    return {(str(row.id), kind): row for row in rows for kind in KINDS if getattr(row, kind)}


async def _compare_page(connection: AsyncConnection, books: Books, entries: list[LedgerEntry]) -> None:
    known = await _known(connection, {entry.key for entry in entries})
    for entry in entries:
        kind: Kind = "capture" if entry.kind == "capture" else "refund"
        books.count("theirs", kind, entry.currency, entry.amount_cents)
        books.seen.add((entry.key, kind))
        payment = known.get(entry.key)
        if payment is None or not _expects(payment.status, kind):
            books.differ(entry.key, kind, None, entry.amount_cents)
        elif kind == "capture" and payment.status in CLEARED:
            books.called_off.append(entry)
        elif (payment.amount_cents, payment.currency) != (entry.amount_cents, entry.currency):
            books.differ(entry.key, kind, payment.amount_cents, entry.amount_cents)


async def _known(connection: AsyncConnection, keys: Iterable[str]) -> dict[str, Row[Any]]:
    rows = await connection.execute(KNOWN, {"ids": [key for key in keys if _is_id(key)]})
    return {str(row.id): row for row in rows}


def _expects(status: str, kind: Kind) -> bool:
    """Whether a payment that stands so explains this entry of the provider's."""
    if status in CLEARED:
        return True
    return status in ("captured", "refunding", "refunded") if kind == "capture" else status in ("refunding", "refunded")


def _compare_charge(books: Books, key: str, kind: Kind, charge: Charge | None) -> None:
    """What we booked and the provider did not, that day: perhaps on another."""
    row = books.ours[key, kind]
    held = ("captured", *GIVEN_BACK) if kind == "capture" else GIVEN_BACK
    if charge is None or charge.status not in held:
        books.differ(key, kind, row.amount_cents, None)
    elif (charge.amount_cents, charge.currency) != (row.amount_cents, row.currency):
        books.differ(key, kind, row.amount_cents, charge.amount_cents)


async def _keep(session: Session, day: date, books: Books) -> Settlement:
    totals = [
        {"book": book, "kind": kind, "currency": currency, **total.model_dump()}
        for (book, kind, currency), total in sorted(books.totals.items())
    ]
    found = sorted(books.differences, key=lambda each: (each.key, each.kind))
    values = {"totals": totals, "differences": [each.model_dump() for each in found], "settled_at": func.now()}
    statement = insert(Settlement).values(day=day, **values)
    statement = statement.on_conflict_do_update(index_elements=["day"], set_=values)
    return (await session.scalars(statement.returning(Settlement))).one()


def _is_id(key: str) -> bool:
    try:
        return str(UUID(key)) == key
    except ValueError:
        return False
