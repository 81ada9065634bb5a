"""The outbox relay: publishes committed rows in order, at least once, and flags only what the broker confirmed.

A shard is a partition. Transaction-scoped advisory locks make one process at a time the relay of a shard; a frozen one
loses them with its connection. Within a pass one event per order is in flight and orders are pipelined. An order whose
event the broker refuses leaves the window for an exponential while, so that it cannot starve its shard.

Never a cursor: sequence numbers become visible out of order, and `seq > last` would lose a row that commits late.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from aio_pika.exceptions import AMQPError, DeliveryError, PublishError
from sqlalchemy import Row, text

from chassis import faults, metrics, spans
from chassis.broker import Publisher
from chassis.db import Database, Session
from chassis.events import Contract, Envelope
from chassis.logging import get_logger
from chassis.loop import Loop
from chassis.outbox import emitted

BATCH_PER_SHARD = 100
PUBLISH_TIMEOUT_SECONDS = 5.0
POLL_SECONDS = 0.5  # only for what another process committed and did not live to publish
APART_SECONDS = 0.02  # between passes under load: a larger batch makes cheaper events
LOCK_CLASS = 0x0B0B  # the advisory locks' namespace
BLOCK_BASE_SECONDS, BLOCK_CAP_SECONDS = 1.0, 60.0

# A flag that is lost in a failover costs a duplicate, which the inbox knows: it need not wait for the standby.
LOCK = text(f"""
    SELECT shard, pg_try_advisory_xact_lock({LOCK_CLASS}, shard), set_config('synchronous_commit', 'off', true)
    FROM unnest(CAST(:shards AS int[])) AS shard
""")  # noqa: S608  a constant of this module
FETCH = text("""
    SELECT row.* FROM unnest(CAST(:shards AS smallint[])) AS wanted (shard), LATERAL (
        SELECT id, shard, type, subject, sequence, data, correlation_id, causation_id, traceparent,
               created_at
        FROM outbox WHERE outbox.shard = wanted.shard AND published_at IS NULL AND NOT EXISTS (
            SELECT FROM outbox_blocked AS blocked
            WHERE blocked.subject = outbox.subject AND blocked.next_attempt_at > now())
        ORDER BY seq LIMIT :batch) AS row
""")
FLAG = text("""
    WITH flagged AS (UPDATE outbox SET published_at = now() WHERE id = ANY(CAST(:ids AS uuid[])))
    DELETE FROM outbox_blocked WHERE subject = ANY(CAST(:subjects AS uuid[]))
""")
BLOCK = text("""
    INSERT INTO outbox_blocked (subject, attempts, next_attempt_at, reason)
    VALUES (:subject, 1, now() + make_interval(secs => :seconds), :reason)
    ON CONFLICT (subject) DO UPDATE SET attempts = outbox_blocked.attempts + 1, reason = excluded.reason,
        next_attempt_at = now() + make_interval(secs => least(:cap, :seconds * 2 ^ outbox_blocked.attempts))
""")


@dataclass
class Pass:
    """What became of one pass: confirmed rows, refused orders with the reason, and what broke the connection."""

    confirmed: list[Row[Any]] = field(default_factory=list)
    refused: dict[UUID, str] = field(default_factory=dict)
    broken: Exception | None = None


class Relay:
    """Publishes one service's outbox into its own vhost."""

    def __init__(self, contract: Contract, database: Database, publisher: Publisher, partitions: int) -> None:
        self._contract = contract
        self._engine = database.engines["primary"]
        self._publisher = publisher
        self._all = list(range(partitions))
        self._woken: set[int] = set()
        self._lenient = {event.type for event in contract.without_subscribers}
        self.loop = Loop("relay", self._step, POLL_SECONDS, apart_seconds=APART_SECONDS)
        database.listeners.append(self._wake)

    def _wake(self, session: Session) -> None:
        shards = {emission.shard for emission in emitted(session)}
        if shards:
            self._woken |= shards
            self.loop.wake()

    async def drain(self, seconds: float) -> None:
        """Publish what is still there, for at most this long; the rest waits for the next start."""
        try:
            async with asyncio.timeout(seconds):
                while (await self.publish(self._all))[1] >= 1:
                    pass
        except Exception as error:  # noqa: BLE001  stopping goes on; nothing is lost, the rows stay
            get_logger().warning("the outbox could not be drained", error=repr(error))

    async def _step(self) -> float:
        """Relay the shards that this process wrote to, or all of them when only the clock called."""
        woken, self._woken = self._woken, set()
        mine, filled = await self.publish(sorted(woken) or self._all)
        if busy := woken - mine:
            # Another process relays these this moment and may have read past our rows.
            self._woken |= busy
            self.loop.wake()
        return filled

    async def publish(self, shards: Sequence[int]) -> tuple[set[int], float]:
        """One pass. Returns the shards it could lock and how full it was; raises what broke the connection."""
        async with self._engine.begin() as connection:
            locks = await connection.execute(LOCK, {"shards": list(shards)})
            mine = {shard for shard, locked, _ in locks if locked}
            fetched = await connection.execute(FETCH, {"shards": sorted(mine), "batch": BATCH_PER_SHARD})
            rows = fetched.all()
            if rows:
                faults.reach("relay.after_fetch")
            done = await self._send(rows)
            if done.confirmed:
                faults.reach("relay.after_confirm")
                ids, subjects = [row.id for row in done.confirmed], [row.subject for row in done.confirmed]
                await connection.execute(FLAG, {"ids": ids, "subjects": subjects})
                faults.reach("relay.after_flag")
            for subject, reason in done.refused.items():
                await connection.execute(BLOCK, _pause(subject, reason))
        if done.broken is not None:
            raise done.broken
        return mine, len(rows) / BATCH_PER_SHARD  # what is committed meanwhile wakes the loop by itself

    async def _send(self, rows: Sequence[Row[Any]]) -> Pass:
        orders: dict[UUID, list[Row[Any]]] = {}
        for row in rows:
            orders.setdefault(row.subject, []).append(row)
        done = Pass()
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_SECONDS):
                await asyncio.gather(*(self._send_order(events, done) for events in orders.values()))
        except TimeoutError:
            done.broken = TimeoutError(f"the broker confirmed nothing for {PUBLISH_TIMEOUT_SECONDS:.0f} s")
        return done

    async def _send_order(self, events: list[Row[Any]], done: Pass) -> None:
        """One order's events, one after the other; what stops one stops the later ones."""
        for row in events:
            try:
                envelope = envelope_of(self._contract.service, row)
                with spans.publishing(envelope):
                    await self._publisher.publish(envelope, mandatory=row.type not in self._lenient)
            except DeliveryError as error:
                self._refuse(row, "returned" if isinstance(error, PublishError) else "nacked", done)
                return
            except (AMQPError, OSError, RuntimeError) as error:
                done.broken = error
                return
            done.confirmed.append(row)
            metrics.published(self._contract.vhost, row.type, row.shard, "confirmed", row.created_at)

    def _refuse(self, row: Row[Any], how: str, done: Pass) -> None:
        done.refused[row.subject] = f"{row.type} was {how} by the broker"
        metrics.published(self._contract.vhost, row.type, row.shard, how)
        fields = {"order_id": row.subject, "event_id": row.id, "correlation_id": row.correlation_id}
        get_logger().warning("the broker refused an event", reason=done.refused[row.subject], **fields)


def _pause(subject: UUID, reason: str) -> dict[str, Any]:
    seconds = BLOCK_BASE_SECONDS * random.uniform(0.5, 1)  # noqa: S311  jitter, not cryptography
    return {"subject": subject, "reason": reason, "seconds": seconds, "cap": BLOCK_CAP_SECONDS}


def envelope_of(service: str, row: Row[Any]) -> Envelope:
    """The event that an outbox row holds."""
    return Envelope(
        id=row.id,
        source=service,
        type=row.type,
        subject=row.subject,
        time=row.created_at,
        data=row.data,
        correlationid=row.correlation_id,
        causationid=row.causation_id,
        partition=row.shard,
        sequence=row.sequence,
        traceparent=row.traceparent,
    )
