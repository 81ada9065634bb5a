"""Every (state, input) pair of the notification's table, on a real database, with what it asks for and emits."""

from collections.abc import AsyncIterator, Awaitable, Callable
from email import message_from_bytes
from uuid import UUID

import pytest

from chassis.db import Database, Session
from chassis.effects import Effect, effect_guard
from chassis.events import uuid7
from chassis.parking import ParkError
from chassis.testing import deliver, emitted, requests
from notification.effects import Mail
from notification.events import OrderCancelled, OrderConfirmed, PaymentRefunded
from notification.handlers import consumer
from notification.mail import Mailer, Receipt
from notification.models import TRANSITIONS, Notification, notification_id
from notification.templates import compose

SENT, FAILED = "notification.sent.v1", "notification.failed.v1"
PARK = "park"
REFUSAL = "550 no such user"
GUARD = effect_guard("smtp", timeout_seconds=1, concurrency=1)
STEP = Mail(Mailer("127.0.0.1", 9, timeout_seconds=1), GUARD)  # never called: settling talks to nobody

# state, input -> next state (or PARK), effects asked for, events emitted. Written again by hand.
EXPECTED: dict[tuple[str | None, str], tuple[str, list[str], list[str]]] = {
    (None, "requested"): ("waiting", ["mail"], []),
    (None, "mail.accepted"): (PARK, [], []),
    (None, "mail.refused"): (PARK, [], []),
    ("waiting", "requested"): ("waiting", [], []),
    ("waiting", "mail.accepted"): ("sent", [], [SENT]),
    ("waiting", "mail.refused"): ("failed", [], [FAILED]),
    ("sent", "requested"): ("sent", [], []),
    ("sent", "mail.accepted"): ("sent", [], []),
    ("sent", "mail.refused"): ("sent", [], []),
    ("failed", "requested"): ("failed", [], []),
    ("failed", "mail.accepted"): ("failed", [], []),
    ("failed", "mail.refused"): ("failed", [], []),
}


@pytest.fixture(scope="module")
async def database(database_of: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Database]:
    database = await database_of("notification")
    yield database
    await database.close()


@pytest.fixture
async def session(database: Database) -> AsyncIterator[Session]:
    """A transaction that is rolled back."""
    async with database._sessions["primary"]() as session:
        yield session


async def given(session: Session, order_id: UUID, status: str | None) -> None:
    """A notification about this order in this state."""
    if status is not None:
        row = Notification.of(order_id, "order_confirmed", customer="c", email="c@shop.example", partition=3)
        row.status = status
        session.create(row)
        await session.flush()


def confirmed(order_id: UUID) -> OrderConfirmed:
    """The order was confirmed."""
    return OrderConfirmed(order_id=order_id, customer="c", total_cents=1250, currency="EUR", email="c@shop.example")


async def when(session: Session, order_id: UUID, event: str) -> None:
    """Let it happen."""
    if event == "requested":
        await deliver(session, consumer, confirmed(order_id))
        return
    id_ = notification_id(order_id, "order_confirmed")
    effect = Effect(
        uuid7(), "mail", order_id, id_, {}, partition=3, attempt=1, correlation_id=uuid7(), causation_id=None
    )
    await STEP.settle(effect, Receipt(REFUSAL if event == "mail.refused" else None), session)
    await session.prepare()


@pytest.mark.parametrize(("state", "event"), EXPECTED, ids=str)
async def test_each_pair_does_what_the_table_says(session: Session, state: str | None, event: str) -> None:
    order_id = uuid7()
    status, effects, types = EXPECTED[state, event]
    await given(session, order_id, state)
    if status == PARK:
        with pytest.raises(ParkError):
            await when(session, order_id, event)
        return
    await when(session, order_id, event)
    row = await session.locked(Notification, notification_id(order_id, "order_confirmed"))
    assert row is not None
    assert row.status == status
    assert [request.kind for request in requests(session)] == effects
    assert [emission.type for emission in emitted(session)] == types
    assert (row.reason == REFUSAL) == ((state, event) == ("waiting", "mail.refused"))


def test_the_table_is_total() -> None:
    assert set(EXPECTED) == set(TRANSITIONS)


async def test_each_kind_of_event_is_a_mail_of_its_own(session: Session) -> None:
    order_id, money = uuid7(), {"customer": "c", "currency": "EUR", "email": "c@shop.example"}
    cancelled = OrderCancelled.model_validate({"order_id": order_id, "reason": "expired", "total_cents": 1, **money})
    refunded = PaymentRefunded.model_validate({"order_id": order_id, "amount_cents": 1, **money})
    assert await deliver(session, consumer, refunded, confirmed(order_id), cancelled) == ["ok", "ok", "ok"]
    assert len({request.aggregate_id for request in requests(session)}) == 3
    assert {request.subject for request in requests(session)} == {order_id}


@pytest.mark.parametrize("reason", ["customer_request", "expired", "provider_unavailable", "payment_declined"])
def test_a_mail_says_what_happened_and_is_the_same_each_time(reason: str) -> None:
    order_id = uuid7()
    payload = {
        "kind": "order_cancelled",
        "order_id": str(order_id),
        "email": "c@shop.example",
        "reason": reason,
        "total_cents": 1205,
        "currency": "EUR",
    }
    mail, again = compose(order_id, payload), compose(order_id, payload)
    assert mail == again
    message = message_from_bytes(mail.message)
    assert message["Subject"] == f"Your order {order_id} was cancelled"
    assert message["Message-ID"].startswith(f"<{order_id}@")
    body = message.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert b"12.05 EUR" in body
