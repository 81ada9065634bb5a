"""Republishing what was published before, to one subscriber only: for a new one, or one that lost its queue.

Events go to the subscriber's own binding (`payment.p03.#`), so nobody else sees them again; its inbox knows what it has
handled already, because an inbox remembers for longer than an outbox keeps. A time from which part of the events is
already dropped is refused: less than what was asked for would look like all of it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, text

from chassis.broker import Publisher
from chassis.db import Database
from chassis.events import Contract
from chassis.relay import envelope_of
from chassis.schema import OUTBOX_RETENTION_DAYS

BATCH = 500

PUBLISHED = text("""
    SELECT id, shard, type, subject, sequence, data, correlation_id, causation_id, traceparent, created_at, seq
    FROM outbox WHERE published_at IS NOT NULL AND created_at >= :since AND type = ANY(CAST(:types AS text[]))
    ORDER BY seq
""")
# The first day that upkeep has not dropped; an outbox's days are UTC's.
EARLIEST = text("SELECT CAST(current_date - CAST(:days AS int) AS timestamp) AT TIME ZONE 'UTC'")


class TooOldError(SystemExit):
    """The outbox no longer has all of that time: printed as one sentence, with exit status 1."""


async def published_since(
    database: Database, publisher: Contract, subscriber: Contract, since: datetime
) -> Sequence[Row[Any]]:
    """What was published since then and the subscriber listens to. Raises `TooOldError`."""
    types = [event.type for event in subscriber.consumes.get(publisher.vhost, ())]
    async with database.query("primary") as session:
        earliest: datetime = (await session.execute(EARLIEST, {"days": OUTBOX_RETENTION_DAYS})).scalar_one()
        if since < earliest:
            raise TooOldError(
                f"--since: an outbox keeps {OUTBOX_RETENTION_DAYS} days, so that it has all events only from"
                f" {earliest.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} on; choose that time or a later one"
            )
        return (await session.execute(PUBLISHED, {"since": since, "types": types})).all()


async def republish(rows: Sequence[Row[Any]], publisher: Publisher, source: str, subscriber: Contract) -> None:
    """Send these again, in order, each confirmed before the next. Raises `DeliveryError` where one is refused."""
    for row in rows:
        key = f"{subscriber.queue(row.shard)}.{row.type}"
        await publisher.publish(envelope_of(source, row), mandatory=True, routing_key=key)
