"""The rows that the invariants are about, as read from the three databases, the provider and the mail server."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from verify.broker import Depths
from verify.subscriptions import Subscribers


class Order(NamedTuple):
    """An order; `version` counts the events it emitted, `items` is JSON text."""

    id: UUID
    version: int
    customer: str
    status: str
    reason: str | None
    total_cents: int
    currency: str
    email: str
    items: str
    created_at: datetime


class Payment(NamedTuple):
    """A payment; its id is its order's."""

    id: UUID
    version: int
    status: str
    reason: str | None
    amount_cents: int
    currency: str


class Notification(NamedTuple):
    """A mail that was asked for; `attempts` at sending it, `None` where that was too long ago to be known."""

    id: UUID
    version: int
    order_id: UUID
    kind: str
    status: str
    reason: str | None
    email: str
    attempts: int | None


class Key(NamedTuple):
    """An idempotency key of placing an order: the order it was used for, and the stored answer."""

    customer: str
    key: str
    order_id: UUID
    answer: bytes | None


class Stock(NamedTuple):
    """A product's stock, and what the orders say about it: quantities in confirmed and in pending orders."""

    sku: str
    stocked: int
    available: int
    reserved: int
    sold: int
    confirmed: int
    pending: int


class Event(NamedTuple):
    """An event in an outbox or an inbox. `subject` is its order."""

    id: UUID
    type: str
    subject: UUID


class Backward(NamedTuple):
    """An inbox row whose sequence is lower than that of the row before it."""

    id: UUID
    source: str
    subject: UUID
    sequence: int
    before: int


class Parked(NamedTuple):
    """What waits for a person."""

    id: UUID
    type: str
    subject: UUID | None
    reason: str


class Leftover(NamedTuple):
    """What should have been done by now: an unpublished event, an open effect, a blocked or a quarantined order, a
    forgotten event."""

    what: str
    name: str


class Traffic(NamedTuple):
    """One service's side of the messaging, since the day from which all services still have everything."""

    published: list[Event]
    received: list[Event]
    repeated: int
    backward: list[Backward]
    parked: list[Parked]
    leftovers: list[Leftover]


class Entry(NamedTuple):
    """A line of the provider's ledger."""

    kind: str
    amount_cents: int
    currency: str | None


class Facts(NamedTuple):
    """Everything, read at rest. `since`: the least event id from which on nothing may have been dropped."""

    now: datetime
    since: UUID
    orders: dict[UUID, Order]
    payments: dict[UUID, Payment]
    notifications: dict[UUID, Notification]
    keys: dict[tuple[str, str], Key]
    stock: list[Stock]
    traffic: dict[str, Traffic]
    ledger: dict[str, list[Entry]]
    mails: dict[str, list[str]]  # Message-ID -> the recipient of each copy
    forgotten: list[Leftover]
    depths: Depths
    subscribers: Subscribers
