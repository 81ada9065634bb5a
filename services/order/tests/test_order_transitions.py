"""Every (state, event) pair of the order's table, on a real database, with what it does to the stock."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from chassis.db import Database, Session
from chassis.events import Event, uuid7
from chassis.parking import ParkError
from chassis.testing import deliver, emitted
from order.events import (
    NotificationFailed,
    NotificationSent,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentVoided,
)
from order.handlers import consumer
from order.models import TRANSITIONS, Order
from order.stock import Stock

QUANTITY = 3
CONFIRMED, CANCELLED = "order.confirmed.v1", "order.cancelled.v1"
PARK = "park"

# state, event -> next state (or PARK), reason, emitted. What DESIGN's table says, written again by hand.
EXPECTED: dict[tuple[str | None, str], tuple[str | None, str | None, list[str]]] = {
    ("pending", "captured"): ("confirmed", None, [CONFIRMED]),
    ("pending", "declined"): ("cancelled", "payment_declined", [CANCELLED]),
    ("pending", "unavailable"): ("cancelled", "provider_unavailable", [CANCELLED]),
    ("pending", "voided"): (PARK, None, []),
    ("pending", "refunded"): (PARK, None, []),
    ("pending", "sent"): ("pending", None, []),
    ("pending", "failed"): ("pending", None, []),
    ("pending", "deadline"): ("cancelled", "expired", [CANCELLED]),
    ("pending", "cancel"): ("cancelled", "customer_request", [CANCELLED]),
    ("confirmed", "captured"): ("confirmed", None, []),
    ("confirmed", "declined"): (PARK, None, []),
    ("confirmed", "unavailable"): (PARK, None, []),
    ("confirmed", "voided"): (PARK, None, []),
    ("confirmed", "refunded"): (PARK, None, []),
    ("confirmed", "sent"): ("confirmed", None, []),
    ("confirmed", "failed"): ("confirmed", None, []),
    ("confirmed", "deadline"): ("confirmed", None, []),
    ("confirmed", "cancel"): ("cancelled", "customer_request", [CANCELLED]),
    ("cancelled", "captured"): ("cancelled", "before", []),
    ("cancelled", "declined"): ("cancelled", "before", []),
    ("cancelled", "unavailable"): ("cancelled", "before", []),
    ("cancelled", "voided"): ("cancelled", "before", []),
    ("cancelled", "refunded"): ("cancelled", "before", []),
    ("cancelled", "sent"): ("cancelled", "before", []),
    ("cancelled", "failed"): ("cancelled", "before", []),
    ("cancelled", "deadline"): ("cancelled", "before", []),
    ("cancelled", "cancel"): ("cancelled", "before", []),
    (None, "captured"): (PARK, None, []),
    (None, "declined"): (PARK, None, []),
    (None, "unavailable"): (PARK, None, []),
    (None, "voided"): (PARK, None, []),
    (None, "refunded"): (PARK, None, []),
    (None, "sent"): (None, None, []),
    (None, "failed"): (None, None, []),
}
STOCK = {"pending": (7, 3, 0), "confirmed": (7, 0, 3), "cancelled": (10, 0, 0), None: (10, 0, 0)}


@pytest.fixture(scope="module")
async def database(database_of: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Database]:
    database = await database_of("order")
    yield database
    await database.close()


@pytest.fixture
async def session(database: Database) -> AsyncIterator[Session]:
    """A transaction that is rolled back."""
    async with database._sessions["primary"]() as session:
        await session.execute(text("INSERT INTO products VALUES ('T', 'Ticket', 500, 'EUR', 1)"))
        yield session


async def given(session: Session, status: str | None) -> Order | None:
    """An order in this state, and the stock as it is then."""
    available, reserved, sold = STOCK[status]
    session.add(Stock(sku="T", stocked=10, available=available, reserved=reserved, sold=sold))
    if status is None:
        await session.flush()
        return None
    now = datetime.now(UTC)
    order = Order(
        id=uuid7(),
        partition=2,
        customer="c",
        email="c@shop.example",
        status=status,
        reason="before" if status == "cancelled" else None,
        items=[{"sku": "T", "quantity": QUANTITY, "unit_price_cents": 500}],
        total_cents=1500,
        currency="EUR",
        created_at=now,
        expires_at=now + timedelta(seconds=1),
    )
    session.create(order)
    await session.flush()
    return order


async def when(session: Session, order: Order | None, event: str) -> None:
    """Let it happen."""
    order_id = order.id if order else uuid7()
    if event in ("deadline", "cancel"):
        assert order is not None
        order.cancel(session, event, {"deadline": "expired", "cancel": "customer_request"}[event])
        return await session.prepare()
    events: dict[str, Event] = {
        "captured": PaymentCaptured(order_id=order_id),
        "declined": PaymentDeclined(order_id=order_id, reason="card_declined"),
        "unavailable": PaymentDeclined(order_id=order_id, reason="provider_unavailable"),
        "voided": PaymentVoided(order_id=order_id),
        "refunded": PaymentRefunded(order_id=order_id),
        "sent": NotificationSent(order_id=order_id, kind="order_confirmed"),
        "failed": NotificationFailed(order_id=order_id, kind="order_confirmed"),
    }
    assert await deliver(session, consumer, events[event]) == ["ok"]
    return None


@pytest.mark.parametrize(("state", "event"), EXPECTED, ids=str)
async def test_each_pair_does_what_the_table_says(session: Session, state: str | None, event: str) -> None:
    status, reason, types = EXPECTED[state, event]
    order = await given(session, state)
    if status == PARK:
        with pytest.raises(ParkError):
            await when(session, order, event)
        return
    await when(session, order, event)
    assert (order.status if order else None) == status
    assert (order.reason if order else None) == reason
    if event not in ("deadline", "cancel"):  # there the caller emits: the route and the sweeper, tested with them
        assert [emission.type for emission in emitted(session)] == types
    stock = (await session.execute(text("SELECT available, reserved, sold FROM stock"))).one()
    assert tuple(stock) == STOCK[status]


def test_the_table_is_total() -> None:
    inputs = {
        *(f"payment.{fact}" for fact in ("captured", "declined", "voided", "refunded")),
        *(f"notification.{fact}" for fact in ("sent", "failed")),
        "deadline",
        "cancel",
    }
    by_event = {(state, event) for state in ("pending", "confirmed", "cancelled") for event in inputs}
    unknown = {(None, event) for event in inputs - {"deadline", "cancel"}}
    assert set(TRANSITIONS) == by_event | unknown
    assert len(EXPECTED) == len(TRANSITIONS) + 4  # a decline is one event with two reasons
