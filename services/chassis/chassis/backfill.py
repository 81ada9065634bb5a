"""Republishing what was published before, to one subscriber only: for a new one, or one that lost its queue.

Events go to the subscriber's own binding (`payment.p03.#`), so nobody else sees them again; its inbox knows what it has
handled already. Older than the inbox remembers they are refused: it could not tell a repetition.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from chassis.broker import Publisher
from chassis.db import Database
from chassis.events import Contract
from chassis.relay import envelope_of
from chassis.schema import INBOX_RETENTION_DAYS

BATCH = 500

PUBLISHED = text("""
    SELECT id, shard, type, subject, sequence, data, correlation_id, causation_id, traceparent, created_at, seq
    FROM outbox WHERE published_at IS NOT NULL AND created_at >= :since AND type = ANY(CAST(:types AS text[]))
    ORDER BY seq
""")
TOO_OLD = text("SELECT CAST(:since AS timestamptz) < now() - make_interval(days => :days)")


class TooOldError(SystemExit):
    """The inbox no longer remembers that time: printed as one sentence, with exit status 1."""


async def published_since(
    database: Database, publisher: Contract, subscriber: Contract, since: datetime
) -> Sequence[Row[Any]]:
    """What was published since then and the subscriber listens to. Raises `TooOldError`."""
    types = [event.type for event in subscriber.consumes.get(publisher.vhost, ())]
    async with database.query("primary") as session:
        if await session.scalar(TOO_OLD, {"since": since, "days": INBOX_RETENTION_DAYS}):
            raise TooOldError(f"--since: an inbox remembers {INBOX_RETENTION_DAYS} days; choose a later time")
        return (await session.execute(PUBLISHED, {"since": since, "types": types})).all()


async def republish(rows: Sequence[Row[Any]], publisher: Publisher, source: str, subscriber: Contract) -> None:
    """Send these again, in order, each confirmed before the next. Raises `DeliveryError` where one is refused."""
    for row in rows:
        key = f"{subscriber.queue(row.shard)}.{row.type}"
        await publisher.publish(envelope_of(source, row), mandatory=True, routing_key=key)
