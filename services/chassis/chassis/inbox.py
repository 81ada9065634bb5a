"""The inbox: which events were handled, written in the transaction that handled them, so that each counts once.

A duplicate always writes something (`seen`). A retry that wrote nothing would be acknowledged without waiting for the
synchronous standby, and after a failover both the first commit and its retry would be gone.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import text

from chassis.db import Session
from chassis.events import Envelope

RECORD = text("""
    WITH recorded AS (
        INSERT INTO inbox (id, source, type, subject, sequence, seen)
        SELECT id, source, type, subject, sequence, seen
        FROM unnest(CAST(:id AS uuid[]), CAST(:source AS text[]), CAST(:type AS text[]), CAST(:subject AS uuid[]),
                    CAST(:sequence AS int[]), CAST(:seen AS int[]))
             WITH ORDINALITY AS row (id, source, type, subject, sequence, seen, n)
        ORDER BY n
        ON CONFLICT (id) DO UPDATE SET seen = inbox.seen + excluded.seen
        RETURNING id, subject, seen
    )
    SELECT recorded.id, recorded.subject, recorded.seen, quarantine.subject IS NOT NULL AS quarantined,
           now() AS now
    FROM recorded LEFT JOIN quarantine USING (subject)
""")
LOCK_QUARANTINE = text("""
    SELECT subject FROM quarantine WHERE subject = ANY(CAST(:subjects AS uuid[])) ORDER BY subject FOR UPDATE
""")


class Inbox:
    """What one transaction learnt about a batch: which events are fresh, and which orders are quarantined."""

    def __init__(self, fresh: set[UUID], quarantined: set[UUID]) -> None:
        self.fresh = fresh
        self.quarantined = quarantined


async def record(session: Session, envelopes: Sequence[Envelope]) -> Inbox:
    """Write the batch's ids in one round trip and tell which were not there before."""
    unique = {envelope.id: envelope for envelope in envelopes}
    copies = dict.fromkeys(unique, 0)
    for envelope in envelopes:
        copies[envelope.id] += 1
    columns = {
        "id": list(unique),
        "source": [envelope.source for envelope in unique.values()],
        "type": [envelope.type for envelope in unique.values()],
        "subject": [envelope.subject for envelope in unique.values()],
        "sequence": [envelope.sequence for envelope in unique.values()],
        "seen": list(copies.values()),
    }
    rows = (await session.execute(RECORD, columns)).all()
    fresh = {row.id for row in rows if row.seen == copies[row.id]}
    # Whoever recorded a duplicate first may have parked it while this waited for it, with a snapshot from before.
    suspects = {row.subject for row in rows if row.quarantined or row.id not in fresh}
    session.now = rows[0].now
    return Inbox(fresh, await _quarantined(session, suspects))


async def _quarantined(session: Session, suspects: Iterable[UUID]) -> set[UUID]:
    """Locked, because a replay that ends this moment lifts the quarantine in its own transaction."""
    if not suspects:
        return set()
    return set(await session.scalars(LOCK_QUARANTINE, {"subjects": list(suspects)}))
