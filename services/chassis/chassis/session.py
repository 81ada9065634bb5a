"""One transaction: rows locked in one order, work deferred to its end, listeners told, a COMMIT never cancelled.

Handlers work in a `Session` and never commit; the boundary (a route, the consumer, the effect runner) does.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Select, Uuid, any_, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis import faults
from chassis.events import Envelope, uuid7
from chassis.writes import Write, write_all

COMMITTING = "committing"  # whose commit a connection is about, in the pool's notes on it


class Base(DeclarativeBase):
    """The declarative base of every service's tables; times have a time zone, and it is UTC."""

    type_annotation_map: ClassVar = {datetime: DateTime(timezone=True)}


class Aggregate(Base):
    """A row that events are about. `partition` was chosen with the order; `version` numbers what it emitted."""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
    partition: Mapped[int]
    version: Mapped[int] = mapped_column(default=0)


@cache
def _locking(model: type[Aggregate]) -> Select[Any]:
    """The statement, built once: building one costs as much as running it."""
    query = select(model).where(model.id == any_(bindparam("ids", type_=ARRAY(Uuid))))
    return query.order_by(model.id).with_for_update().execution_options(populate_existing=True)


AggregateT = TypeVar("AggregateT", bound=Aggregate)


@dataclass(frozen=True)
class Cause:
    """Why a transaction happens; what it emits carries it on.

    `event_id` is the event that caused it, `None` where a person or a clock did. `partition` is the causing
    event's.
    """

    correlation_id: UUID
    event_id: UUID | None = None
    partition: int = 0

    @classmethod
    def new(cls, correlation_id: UUID | None = None) -> "Cause":
        """A cause outside the system: a request or a clock."""
        return cls(correlation_id or uuid7())

    @classmethod
    def of(cls, envelope: Envelope) -> "Cause":
        """An event as the cause."""
        return cls(envelope.correlationid, envelope.id, envelope.partition)


Hook = Callable[["Session"], Awaitable[Write | None]]
Listener = Callable[["Session"], None]


class Session(AsyncSession):
    """One transaction.

    Adds to SQLAlchemy's: rows locked in one order, work done once just before the commit (`defer`), listeners told
    after it, and a COMMIT that we never cancel: a client that cancels a commit waiting for the synchronous standby
    has committed locally only, and its retry would be acknowledged without having been replicated.
    """

    def __init__(
        self,
        *args: Any,
        boundary: str = "query",
        cause: Cause | None = None,
        listeners: Iterable[Listener] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._boundary = boundary
        self.cause = cause or Cause.new()
        self.now: datetime | None = None  # database time, where the boundary has asked for it
        self.position: int | None = None  # of the log after the commit, where the boundary is HTTP
        self._listeners = listeners
        self._deferred: dict[Hook, bool] = {}
        self._locked: dict[tuple[type[Aggregate], UUID], Aggregate | None] = {}

    async def lock(self, model: type[AggregateT], ids: Iterable[UUID]) -> None:
        """Lock these rows in one round trip, sorted, so that two transactions cannot wait for each other."""
        wanted = sorted({id_ for id_ in ids if (model, id_) not in self._locked})
        if not wanted:
            return
        rows = {row.id: row for row in await self.scalars(_locking(model), {"ids": wanted})}
        self._locked.update({(model, id_): rows.get(id_) for id_ in wanted})

    async def locked(self, model: type[AggregateT], id_: UUID) -> AggregateT | None:
        """The row, locked until the commit, or `None`. Costs nothing where the boundary has locked it already."""
        await self.lock(model, [id_])
        row = self._locked[model, id_]
        assert row is None or isinstance(row, model)
        return row

    def create(self, row: AggregateT) -> AggregateT:
        """Add a new aggregate, found by `locked` from now on."""
        self.add(row)
        self._locked[type(row), row.id] = row
        return row

    def defer(self, hook: Hook, *, last: bool = False) -> None:
        """Run `hook(session)` once, inside the transaction, after everything else was written.

        What the hooks return is written together, in one round trip. `last` is for what locks hot rows: they are then
        held for the COMMIT only.
        """
        self._deferred[hook] = last

    async def prepare(self) -> None:
        """Write everything, so that only the COMMIT is missing."""
        await self.flush()
        while self._deferred:  # a hook may defer another: what it emits must be written, too
            hooks, self._deferred = self._deferred, {}
            writes = [await hook(self) for hook in sorted(hooks, key=hooks.__getitem__)]
            await self.flush()
            await write_all(self, [write for write in writes if write is not None])

    async def commit(self) -> None:
        """Write everything, commit without being cancelled, tell the listeners."""
        await self.prepare()
        faults.reach(f"{self._boundary}.before_commit")
        if self._boundary == "http" and self.in_transaction():
            (await self.connection()).info[COMMITTING] = self
        await self._commit_uncancelled()
        if self._boundary == "http":
            faults.reach("http.after_commit")
        for listener in self._listeners:
            listener(self)

    async def _commit_uncancelled(self) -> None:
        commit = asyncio.ensure_future(super().commit())
        cancelled: asyncio.CancelledError | None = None
        while not commit.done():
            try:
                await asyncio.wait([commit])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            commit.exception()  # retrieved: whoever cancelled us hears of nothing else
            raise cancelled
        commit.result()
