"""What the chassis' tests work on: things with notes, the events that tell of them, and waiting for a condition."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import asyncpg
from sqlalchemy.orm import Mapped, mapped_column

from chassis.db import Aggregate, Base, Session
from chassis.events import Contract, Envelope, Event, uuid7
from chassis.outbox import emit
from chassis.settings import ServiceSettings

T = TypeVar("T")
Sql: TypeAlias = "asyncpg.Connection[Any]"  # what the fixture `sql` is
Node = tuple[str, int]  # a host and its port
SettingsOf = Callable[..., ServiceSettings]  # what the fixture `settings` is
PATIENCE_SECONDS = 45.0  # generous: the machine may be busy with other things
REFUSED = "refused"  # a note that the table's check constraint refuses

TABLES = """
CREATE TABLE things (id uuid PRIMARY KEY, partition smallint NOT NULL, version integer NOT NULL, label text NOT NULL);
CREATE TABLE notes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject uuid NOT NULL,
    word text NOT NULL CONSTRAINT not_refused CHECK (word <> 'refused'),
    once text,
    CONSTRAINT only_once UNIQUE (once) DEFERRABLE INITIALLY DEFERRED
);
-- A note 'held' makes its COMMIT wait for the advisory lock 7.
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER held AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.word = 'held') EXECUTE FUNCTION hold();
"""
EMPTY = "".join(
    f"DELETE FROM {table};"  # noqa: S608  names of this module
    for table in (
        "things notes outbox outbox_blocked inbox parked quarantine suspects effects idempotency invalidations".split()  # noqa: SIM905
    )
)


class Thing(Aggregate):
    """An aggregate."""

    __tablename__ = "things"

    label: Mapped[str] = mapped_column(default="")


class Note(Base):
    """What a handler leaves behind; its id tells the order."""

    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[UUID]
    word: Mapped[str]
    once: Mapped[str | None]


class Noted(Event, type="thing.noted.v1"):
    """Somebody listens to this one."""

    word: str = ""


class Lost(Event, type="thing.lost.v1"):
    """Somebody should listen to this one, but no queue is bound to it."""


class Whispered(Event, type="thing.whispered.v1"):
    """Nobody listens to this one, on purpose."""


def contract(vhost: str) -> Contract:
    """A service that listens to itself."""
    return Contract("maker", vhost, (Noted, Lost, Whispered), {vhost: (Noted,)}, without_subscribers=(Whispered,))


def make(session: Session, *words: str, partition: int = 0, id_: UUID | None = None) -> Thing:
    """A new thing that has emitted one event for each word."""
    thing = session.create(Thing(id=id_ or uuid7(), partition=partition))
    for word in words:
        emit(session, thing, Noted(order_id=thing.id, word=word))
    return thing


def envelope(subject: UUID | None = None, word: str = "", **changes: Any) -> Envelope:
    """A `Noted` as it arrives."""
    subject = subject or uuid7()
    fields = {
        "id": uuid7(),
        "source": "maker",
        "type": Noted.type,
        "subject": subject,
        "time": datetime.now(UTC),
        "data": {"order_id": str(subject), "word": word},
        "correlationid": uuid7(),
        "partition": 0,
        "sequence": 1,
    }
    return Envelope.model_validate({**fields, **changes})


async def eventually(condition: Callable[[], Awaitable[T]], seconds: float = PATIENCE_SECONDS) -> T:
    """What the condition gives once it gives something true; fails where it does not in time."""
    deadline = time.monotonic() + seconds
    while not (found := await condition()):
        assert time.monotonic() < deadline, f"did not come true within {seconds} s"
        await asyncio.sleep(0.01)
    return found
