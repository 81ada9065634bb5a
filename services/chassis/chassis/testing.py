"""What a service's tests need: deliver an event to a handler, and see what the transaction emitted and asked for.

Everything runs in the caller's session on a real database; rolling it back leaves no trace.
"""

from datetime import UTC, datetime

from chassis.consumer import Consumer, HandlerError
from chassis.db import Session
from chassis.effects import requests
from chassis.events import Envelope, Event, uuid7
from chassis.outbox import emitted

__all__ = ["deliver", "emitted", "envelope_of", "requests"]


def envelope_of(event: Event, *, source: str = "test", partition: int = 0, sequence: int = 1) -> Envelope:
    """The event as it would arrive."""
    return Envelope(
        id=uuid7(),
        source=source,
        type=event.type,
        subject=event.order_id,
        time=datetime.now(UTC),
        data=event.model_dump(mode="json"),
        correlationid=uuid7(),
        partition=partition,
        sequence=sequence,
    )


async def deliver(session: Session, consumer: Consumer, *events: Event | Envelope) -> list[str]:
    """Handle events as one batch in this session and write what the handlers left for the commit.

    Returns each event's result (ok, duplicate, parked). Raises what a handler raised.
    """
    envelopes = [event if isinstance(event, Envelope) else envelope_of(event) for event in events]
    try:
        results = await consumer.handle(session, envelopes)
    except HandlerError as error:
        raise (error.__cause__ or error) from None
    await session.prepare()
    return results
