"""Parking: an event or an effect that cannot be handled waits in Postgres for a person, and holds back its order only.

The order is quarantined for this consumer: its later events are parked behind the first one, every other order goes on.
"""

from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy import text

from chassis import metrics
from chassis.db import Session
from chassis.logging import get_logger

PARK = text("""
    INSERT INTO parked (id, source, type, subject, body, reason)
    VALUES (:id, :source, :type, :subject, :body, :reason)
    ON CONFLICT (id) DO UPDATE SET reason = excluded.reason
""")
QUARANTINE = text("INSERT INTO quarantine (subject) VALUES (:subject) ON CONFLICT DO NOTHING")

MAX_TEXT = 2000

BEHIND = "waits behind an earlier parked event of its order"


class ParkError(Exception):
    """Raised by a handler that was asked for something impossible: a person must look. Trying again cannot help."""


@dataclass(frozen=True)
class Parked:
    """What is put aside: `source` is the publishing service or `effect`; `subject` the order, if it is known."""

    id: UUID
    source: str
    type: str
    subject: UUID | None
    body: bytes


def printable(text: str) -> str:
    """A foreign text as Postgres can hold it and a person can read it: UTF-8, no NUL, no end of the world in length."""
    return text.encode(errors="replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")[:MAX_TEXT]


async def park(session: Session, parked: Parked, reason: str) -> None:
    """Put it aside in this transaction and quarantine its order, if it is known which one that is."""
    texts = {"source": printable(parked.source), "type": printable(parked.type), "reason": printable(reason)}
    await session.execute(PARK, {**asdict(parked), **texts})
    if parked.subject is not None:
        await session.execute(QUARANTINE, {"subject": parked.subject})
    metrics.parked(parked.source, parked.type)
    fields = {"parked_id": parked.id, "source": parked.source, "type": parked.type, "order_id": parked.subject}
    get_logger().error("parked", reason=reason, **fields)
