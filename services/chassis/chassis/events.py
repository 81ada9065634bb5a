"""Events: facts in the past tense, their CloudEvents 1.0 envelope, and who publishes and consumes what.

An event class is a service's *own copy* of a contract: the publisher's has every field, a consumer's only those it
reads (a tolerant reader). Within a version changes are additive; a breaking change is a new type.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Self, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from uuid_utils.compat import uuid7

__all__ = ["Contract", "Envelope", "Event", "MalformedEventError", "read", "uuid7"]

# Errors are logged and parked, where a customer's address and payment token must not be read.
MODEL = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)
PLAIN = r"^[^\x00-\x1f]+$"  # what a column, a log line and a label can hold


class MalformedEventError(Exception):
    """A message that is not an envelope, or whose data its consumer cannot read. Trying again cannot help."""


class Event(BaseModel):
    """A fact about one order. `order_id` is the aggregate: events of one order are handled in order."""

    model_config = MODEL

    type: ClassVar[str]
    order_id: UUID

    def __init_subclass__(cls, *, type: str) -> None:  # noqa: A002  the CloudEvents name
        super().__init_subclass__()
        cls.type = type


EventT = TypeVar("EventT", bound=Event)


class Envelope(BaseModel):
    """CloudEvents 1.0 in structured JSON, with the extension attributes every event here carries.

    `partition` was chosen when the order was placed and is copied by everyone downstream; `sequence` is the
    publishing aggregate's version, so it never falls per (source, subject).
    """

    model_config = MODEL

    specversion: str = "1.0"
    id: UUID
    source: str = Field(pattern=PLAIN, max_length=255)
    type: str = Field(pattern=PLAIN, max_length=255)
    subject: UUID
    time: datetime
    datacontenttype: str = "application/json"
    data: dict[str, Any]
    correlationid: UUID
    causationid: UUID | None = None
    partition: int = Field(ge=0, le=2**15 - 1)
    sequence: int = Field(ge=0, le=2**31 - 1)
    traceparent: str | None = None

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """The envelope in a message body. Raises `MalformedEventError`."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            raise MalformedEventError(f"not an event envelope: {error}") from None

    @property
    def routing_key(self) -> str:
        """`p03.order.placed.v1`: the partition first, so that a queue binds to its own part."""
        return f"p{self.partition:02d}.{self.type}"


def read(envelope: Envelope, event_type: type[EventT]) -> EventT:
    """The envelope's data as a consumer's own copy of the event. Raises `MalformedEventError`."""
    try:
        return event_type.model_validate(envelope.data)
    except ValidationError as error:
        raise MalformedEventError(f"{envelope.type} {envelope.id} cannot be read: {error}") from None


@dataclass(frozen=True)
class Contract:
    """What one service says to the others: declared once in its `events.py`, everything else is generated from it.

    `publishes`: its event classes, into the exchange `events` of its own vhost.
    `consumes`: per foreign vhost, its own copies of the event classes it listens to.
    `without_subscribers`: types nobody listens to, on purpose; they are published without `mandatory`.
    """

    service: str
    vhost: str
    publishes: tuple[type[Event], ...]
    consumes: Mapping[str, tuple[type[Event], ...]]
    without_subscribers: tuple[type[Event], ...] = field(default=())

    def queue(self, partition: int) -> str:
        """This subscriber's queue for a partition; the name is the same in every vhost it listens to."""
        return f"{self.service}.p{partition:02d}"

    @property
    def dead_letter_queue(self) -> str:
        """Where the broker puts what this subscriber's queues give up on."""
        return f"{self.service}.dead"
