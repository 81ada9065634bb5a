"""The consumer: batches of events, each batch one transaction, every event handled once or parked, none lost.

A registry of handlers and the rules of handling; the worker brings the messages and acknowledges them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import func, select, text

from chassis import faults, inbox, metrics, spans
from chassis.db import Aggregate, Cause, Database, Session, patience, transient, unavailable
from chassis.events import Contract, Envelope, Event, MalformedEventError, read
from chassis.logging import bound, get_logger
from chassis.parking import BEHIND, Parked, ParkError, park

EventT = TypeVar("EventT", bound=Event)
Handler = Callable[[EventT, Session], Awaitable[None]]

COUNT_TRY = text("""
    INSERT INTO suspects (id) VALUES (:id)
    ON CONFLICT (id) DO UPDATE SET tries = suspects.tries + 1, tried_at = now() RETURNING tries
""")
# Not when it was put aside: whoever asks what was known when must not be told too early.
HANDLED_NOW = text("UPDATE inbox SET handled_at = now() WHERE id = :id")
UNCOUNT_TRY = text("UPDATE suspects SET tries = tries - 1 WHERE id = :id")
TRIES = 5
LETHAL_TRIES = 3  # of an event that was redelivered often and is tried alone
PATIENCE_SECONDS = 10.0  # a longer outage is for the subscription, which closes its channel meanwhile
PAUSE_SECONDS = 0.05  # between tries of an event whose handler raised, times the number of tries
HOPELESS = (ParkError, MalformedEventError)


class HandlerError(Exception):
    """A handler raised at this place of the batch."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


class Consumer:
    """A service's handlers, by event type.

    `aggregate` is the table whose rows the handlers move: the rows of a whole batch are locked in one round trip, in
    order, before the handlers run.
    """

    def __init__(self, contract: Contract, aggregate: type[Aggregate], key: Callable[[Envelope], UUID] | None = None):
        self.contract = contract
        self.aggregate = aggregate
        self._key = key or (lambda envelope: envelope.subject)
        self._handlers: dict[str, tuple[type[Event], Handler[Any]]] = {}
        self._vhosts = {event.type: vhost for vhost, events in contract.consumes.items() for event in events}

    def on(self, *event_types: type[EventT]) -> Callable[[Handler[EventT]], Handler[EventT]]:
        """Handle these events with the decorated function, which works in the session and never commits."""

        def register(handler: Handler[EventT]) -> Handler[EventT]:
            for event_type in event_types:
                if event_type.type not in self._vhosts:
                    raise ValueError(f"{event_type.type} is handled but not declared in the contract's 'consumes'")
                self._handlers[event_type.type] = (event_type, handler)
            return handler

        return register

    def check(self) -> None:
        """Raises `ValueError` naming an event that is declared as consumed and has no handler."""
        if unhandled := sorted(set(self._vhosts) - set(self._handlers)):
            raise ValueError(f"declared as consumed, but without a handler: {', '.join(unhandled)}")

    async def process(self, database: Database, envelopes: Sequence[Envelope]) -> None:
        """Handle these events in order. When it returns, each one's outcome is committed: handled, known or parked.

        A handler that raises at k does no harm to its neighbours: everything is rolled back, [0, k) is run again and
        committed, then k alone, then the rest. Raises only when the database stays away for `PATIENCE_SECONDS`; then
        all of it may be handled again.
        """
        try:
            await self._patiently(database, envelopes)
        except HandlerError as error:
            k = error.position
            if k:
                await self.process(database, envelopes[:k])
            await self._alone(database, envelopes[k])
            if envelopes[k + 1 :]:
                await self.process(database, envelopes[k + 1 :])
        except Exception as error:
            if unavailable(error):
                raise
            # Raised by the flush: some event of the batch is at fault.
            if len(envelopes) == 1:
                await self._alone(database, envelopes[0])
                return
            get_logger().warning("a batch failed as a whole, handling it one by one", error=repr(error))
            for envelope in envelopes:
                await self.process(database, [envelope])

    async def _alone(self, database: Database, envelope: Envelope) -> None:
        """One event that has failed once: a few more tries, then it is parked."""
        reason: BaseException = ParkError("unknown")
        for attempt in range(1, TRIES):
            try:
                return await self._patiently(database, [envelope])
            except Exception as error:
                if unavailable(error):
                    raise
                reason = error.__cause__ or error if isinstance(error, HandlerError) else error
                if isinstance(reason, HOPELESS):
                    break
                await asyncio.sleep(PAUSE_SECONDS * attempt)
        await self.park(database, envelope, f"{type(reason).__name__}: {reason}")
        return None

    async def park(self, database: Database, envelope: Envelope, reason: str) -> None:
        """Record the event as seen and put it aside, in one transaction."""
        async for attempt in patience(PATIENCE_SECONDS):
            with attempt, spans.processing(self.contract, [envelope]) as batch:
                async with database.transaction("consumer", Cause.of(envelope)) as session:
                    found = await inbox.record(session, [envelope])
                    if envelope.id in found.fresh:
                        await self._park(session, envelope, reason)
                batch.tell(["parked"])
        self._count([(envelope, "parked")])

    async def try_alone(self, database: Database, envelope: Envelope) -> None:
        """Handle an event that may kill its process: every try is counted durably before it is made.

        The broker's own count is no proof: it grows for everything that was prefetched behind the killer, too.
        """
        tries = 1
        async for attempt in patience(PATIENCE_SECONDS):
            with attempt:
                async with database.transaction("parking", Cause.of(envelope)) as session:
                    tries = (await session.execute(COUNT_TRY, {"id": envelope.id})).scalar_one()
        if tries > LETHAL_TRIES:
            await self.park(database, envelope, f"{LETHAL_TRIES} tries did not end: it may kill its handler's process")
            return
        try:
            await self.process(database, [envelope])
        except Exception:
            # The database is away for long, and this process lives: the event has not killed it.
            async for attempt in patience(PATIENCE_SECONDS):
                with attempt:
                    async with database.transaction("parking", Cause.of(envelope)) as session:
                        await session.execute(UNCOUNT_TRY, {"id": envelope.id})
            raise

    async def _patiently(self, database: Database, envelopes: Sequence[Envelope]) -> None:
        async for attempt in patience(PATIENCE_SECONDS):
            with attempt:
                await self._transact(database, envelopes)

    async def _transact(self, database: Database, envelopes: Sequence[Envelope]) -> None:
        with spans.processing(self.contract, envelopes) as batch:
            async with database.transaction("consumer") as session:
                results = await self.handle(session, envelopes, batch)
            batch.tell(results)
        self._count(list(zip(envelopes, results, strict=True)))

    async def handle(
        self, session: Session, envelopes: Sequence[Envelope], batch: spans.Batch = spans.NO_BATCH
    ) -> list[str]:
        """Handle these events in the caller's transaction. Returns each one's result: ok, duplicate or parked."""
        found = await inbox.record(session, envelopes)
        faults.reach("consumer.after_inbox")
        fresh = [envelope for envelope in envelopes if envelope.id in found.fresh]
        await session.lock(self.aggregate, {self._key(envelope) for envelope in fresh})
        results = []
        for position, envelope in enumerate(envelopes):
            if envelope.id not in found.fresh:
                results.append("duplicate")
                continue
            found.fresh.remove(envelope.id)  # the second copy within one batch is a duplicate
            if envelope.subject in found.quarantined:
                await self._park(session, envelope, BEHIND)
                results.append("parked")
                continue
            with batch.message(position):
                await self._handle_one(session, envelope, position)
            results.append("ok")
        return results

    async def rehandle(self, session: Session, envelope: Envelope) -> None:
        """Handle an event that was parked, and so is in the inbox, in the caller's transaction."""
        session.now = await session.scalar(select(func.now()))
        await session.execute(HANDLED_NOW, {"id": envelope.id})
        await session.lock(self.aggregate, {self._key(envelope)})
        with spans.processing(self.contract, [envelope]) as batch, batch.message(0):
            await self._handle_one(session, envelope, 0)

    async def _handle_one(self, session: Session, envelope: Envelope, position: int) -> None:
        session.cause = Cause.of(envelope)
        with bound(order_id=envelope.subject, event_id=envelope.id, correlation_id=envelope.correlationid):
            try:
                event_type, handler = self._handler(envelope)
                await handler(read(envelope, event_type), session)
            except Exception as error:
                if transient(error):
                    raise
                metrics.PROCESSED_TOTAL.labels(*self._labels(envelope), "retry").inc()
                get_logger().warning("a handler raised", type=envelope.type, error=repr(error))
                raise HandlerError(position) from error

    def _handler(self, envelope: Envelope) -> tuple[type[Event], Handler[Any]]:
        if envelope.type not in self._handlers:
            raise MalformedEventError(f"there is no handler for {envelope.type}")
        return self._handlers[envelope.type]

    async def _park(self, session: Session, envelope: Envelope, reason: str) -> None:
        body = envelope.model_dump_json().encode()
        parked = Parked(envelope.id, envelope.source, envelope.type, envelope.subject, body)
        await park(session, parked, reason)

    def vhost_of(self, envelope: Envelope) -> str:
        """The vhost an event of this type comes from."""
        return self._vhosts.get(envelope.type, "unknown")

    def _count(self, results: list[tuple[Envelope, str]]) -> None:
        metrics.BATCH_SIZE.labels(self.vhost_of(results[0][0])).observe(len(results))
        for envelope, result in results:
            metrics.processed(*self._labels(envelope), result, envelope.time)

    def _labels(self, envelope: Envelope) -> tuple[str, str, int]:
        """Of a metric: a type nobody here has declared is a stranger's text."""
        if envelope.type in self._vhosts:
            return self._vhosts[envelope.type], envelope.type, envelope.partition
        return "unknown", metrics.OTHER, 0
