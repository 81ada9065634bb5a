"""The transactional outbox: facts leave a service only as rows written in the transaction that made them true.

`emit` joins the caller's transaction and never commits; the relay publishes what was committed. The idea is Chris
Richardson's *transactional outbox* pattern.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from chassis import tracing
from chassis.db import Aggregate, Session
from chassis.events import Event, uuid7
from chassis.writes import Write

INSERT = """
    INSERT INTO outbox (id, shard, type, subject, sequence, data, correlation_id, causation_id, traceparent)
    SELECT id, shard, type, subject, sequence, CAST(data AS jsonb), correlation_id, causation_id, traceparent
    FROM unnest(CAST(:outbox_id AS uuid[]), CAST(:outbox_shard AS int[]), CAST(:outbox_type AS text[]),
                CAST(:outbox_subject AS uuid[]), CAST(:outbox_sequence AS int[]), CAST(:outbox_data AS text[]),
                CAST(:outbox_correlation_id AS uuid[]), CAST(:outbox_causation_id AS uuid[]),
                CAST(:outbox_traceparent AS text[]))
         WITH ORDINALITY AS row (id, shard, type, subject, sequence, data, correlation_id, causation_id, traceparent, n)
    ORDER BY n
"""

BEGUN = text("""
    SELECT DISTINCT ON (subject) subject, traceparent FROM outbox
    WHERE subject = ANY(CAST(:subjects AS uuid[])) ORDER BY subject, seq
""")


@dataclass(frozen=True)
class Emission:
    """One outbox row to be. `shard` is the order's partition, `sequence` the aggregate's version."""

    id: UUID
    shard: int
    type: str
    subject: UUID
    sequence: int
    data: str
    correlation_id: UUID
    causation_id: UUID | None
    traceparent: str | None = None


def emit(session: Session, aggregate: Aggregate, event: Event) -> None:
    """Add the event to the transaction. `aggregate` is the locked row that it tells about; its version grows."""
    aggregate.version = (aggregate.version or 0) + 1
    emitted(session).append(
        Emission(
            id=uuid7(),
            shard=aggregate.partition,
            type=event.type,
            subject=event.order_id,
            sequence=aggregate.version,
            data=event.model_dump_json(),
            correlation_id=session.cause.correlation_id,
            causation_id=session.cause.event_id,
            traceparent=tracing.current(),
        )
    )
    session.defer(_write)


def emitted(session: Session) -> list[Emission]:
    """What this transaction has emitted so far, in order."""
    emissions: list[Emission] = session.info.setdefault("emitted", [])
    return emissions


async def _write(session: Session) -> Write:
    """Write what was emitted since the last time."""
    written = session.info.get("emitted_written", 0)
    session.info["emitted_written"] = len(emitted(session))
    return Write("outbox", INSERT, columns(emitted(session)[written:]))


async def traces_begun(session: Session, subjects: Sequence[UUID]) -> dict[UUID, str | None]:
    """Where the trace of each order's first event goes on: for a step that only a clock has caused."""
    if not subjects or tracing.tracer() is None:
        return {}
    rows = await session.execute(BEGUN, {"subjects": subjects})
    return {row.subject: row.traceparent for row in rows}


def columns(rows: list[Any]) -> dict[str, list[Any]]:
    """Rows turned into one array per column, so that any number of them is one statement and one round trip."""
    return {name: [getattr(row, name) for row in rows] for name in rows[0].__dataclass_fields__}
