"""Every (state, input) pair of the payment's table, on a real database, with what it asks for and emits."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from chassis.db import Database, Session
from chassis.effects import Effect, Step, effect_guard
from chassis.events import uuid7
from chassis.parking import ParkError
from chassis.testing import deliver, emitted, requests
from payment.effects import Charge, Refund, Void
from payment.events import OrderCancelled, OrderPlaced
from payment.handlers import consumer
from payment.models import PROVIDER_UNAVAILABLE, TRANSITIONS, Payment
from payment.provider import Charge as Answer
from payment.provider import Provider, RefusedError

STATES = ("pending", "captured", "declined", "voiding", "voided", "refunding", "refunded")
STAY, PARK = "stay", "park"
NOBODY = Provider("http://127.0.0.1:9", connections=1)  # never called: settling talks to nobody
GUARD = effect_guard("provider", timeout_seconds=1, concurrency=1)
STEPS: dict[str, Step] = {
    "charge": Charge(NOBODY, GUARD, give_up_seconds=2),
    "void": Void(NOBODY, GUARD),
    "refund": Refund(NOBODY, GUARD),
}
OUTCOMES = {
    "charge.captured": Answer(status="captured"),
    "charge.declined": Answer(status="declined", decline_reason="card_declined"),
    "void.done": Answer(status="voided"),
    "void.refused": Answer(status="refused", decline_reason="no"),
    "refund.done": Answer(status="refunded"),
    "refund.refused": Answer(status="refused", decline_reason="no"),
}

# state, input -> next state, effect asked for, event emitted. What DESIGN's table says, written again by hand.
MOVES: dict[tuple[str | None, str], tuple[str, str | None, str | None]] = {
    (None, "order.placed"): ("pending", "charge", None),
    (None, "order.placed late"): ("declined", None, "payment.declined.v1"),
    (None, "order.cancelled"): ("voided", None, None),
    ("pending", "charge.captured"): ("captured", None, "payment.captured.v1"),
    ("pending", "charge.declined"): ("declined", None, "payment.declined.v1"),
    ("pending", "charge.given_up"): ("voiding", "void", None),
    ("pending", "order.cancelled"): ("voiding", "void", None),
    ("voiding", "void.done"): ("voided", None, "payment.voided.v1"),
    ("captured", "order.cancelled"): ("refunding", "refund", None),
    ("refunding", "refund.done"): ("refunded", None, "payment.refunded.v1"),
}
RECORDED = {
    (state, f"charge.{what}") for state in ("voiding", "voided") for what in ("captured", "declined", "given_up")
}
IGNORED = {(state, "order.cancelled") for state in ("declined", "voiding", "voided", "refunding", "refunded")} | {
    (state, event) for state in STATES for event in ("order.placed", "order.placed late")
}


@pytest.fixture(scope="module")
async def database(database_of: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Database]:
    database = await database_of("payment")
    yield database
    await database.close()


@pytest.fixture
async def session(database: Database) -> AsyncIterator[Session]:
    """A transaction that is rolled back."""
    async with database._sessions["primary"]() as session:
        yield session


async def given(session: Session, status: str | None, reason: str | None = None) -> Payment | None:
    """A payment in this state."""
    if status is None:
        return None
    payment = Payment(
        id=uuid7(),
        partition=1,
        status=status,
        reason=reason,
        customer="c",
        amount_cents=9,
        currency="EUR",
        email="e@x.example",
    )
    session.create(payment)
    await session.flush()
    return payment


async def when(session: Session, payment: Payment | None, event: str) -> Payment | None:
    """Let it happen. Returns the payment as it is then."""
    id_ = payment.id if payment else uuid7()
    if event == "order.cancelled":
        await deliver(session, consumer, OrderCancelled(order_id=id_, reason="expired"))
    elif event.startswith("order.placed"):
        seconds = -1 if event.endswith("late") else 60
        placed = OrderPlaced(
            order_id=id_,
            customer="c",
            total_cents=1200,
            currency="EUR",
            payment_token="tok_ok",
            email="c@shop.example",
            expires_at=datetime.now(UTC) + timedelta(seconds=seconds),
        )
        await deliver(session, consumer, placed)
    else:
        await settle(session, id_, event)
    return await session.locked(Payment, id_)


def attempt_at(id_: UUID, kind: str, attempt: int = 1) -> Effect:
    return Effect(uuid7(), kind, id_, id_, {}, partition=1, attempt=attempt, correlation_id=uuid7(), causation_id=None)


async def settle(session: Session, id_: UUID, event: str) -> None:
    """The runner brings a result."""
    kind = event.partition(".")[0]
    effect = attempt_at(id_, kind)
    if event == "charge.given_up":
        await STEPS[kind].give_up(effect, session)
    else:
        await STEPS[kind].settle(effect, OUTCOMES[event], session)
    await session.prepare()


def expected(state: str | None, event: str) -> tuple[str | None, str | None, str | None]:
    """What must come of it: a move, nothing, or a person's attention."""
    if (state, event) in MOVES:
        return MOVES[state, event]
    return (STAY if (state, event) in RECORDED | IGNORED else PARK), None, None


@pytest.mark.parametrize(("state", "event"), TRANSITIONS, ids=str)
async def test_each_pair_does_what_the_table_says(session: Session, state: str | None, event: str) -> None:
    status, effect, emission = expected(state, event)
    payment = await given(session, state)
    if status == PARK:
        with pytest.raises(ParkError):
            await when(session, payment, event)
        return
    after = await when(session, payment, event)
    assert after is not None
    assert after.status == (state if status == STAY else status)
    assert [request.kind for request in requests(session)] == ([effect] if effect else [])
    assert [one.type for one in emitted(session)] == ([emission] if emission else [])


async def test_giving_up_is_told_as_a_decline_because_the_order_waits(session: Session) -> None:
    payment = await given(session, "voiding", PROVIDER_UNAVAILABLE)
    await when(session, payment, "void.done")
    assert [one.type for one in emitted(session)] == ["payment.declined.v1"]


class Refusing(Provider):
    """A provider that answers every charge with a 4xx: a rotated credential, a wrong route."""

    async def charge(self, key: UUID, body: dict[str, Any]) -> Answer:
        raise RefusedError(f"the provider answered 401 for {key}")


async def refused_charge(session: Session, attempt: int) -> Payment:
    """A pending payment after this attempt at its charge was refused."""
    payment = await given(session, "pending")
    assert payment is not None
    effect = attempt_at(payment.id, "charge", attempt)
    step = Charge(Refusing("http://127.0.0.1:9", connections=1), GUARD, give_up_seconds=2)
    await step.settle(effect, await step.perform(effect), session)
    await session.prepare()
    return payment


async def test_a_charge_refused_at_its_first_attempt_is_declined_in_the_providers_words(session: Session) -> None:
    payment = await refused_charge(session, attempt=1)
    assert payment.status == "declined"
    assert "answered 401" in (payment.reason or "")
    assert requests(session) == []
    assert [one.type for one in emitted(session)] == ["payment.declined.v1"]


async def test_a_charge_refused_later_is_voided_because_an_earlier_attempt_may_have_taken_the_money(
    session: Session,
) -> None:
    payment = await refused_charge(session, attempt=2)
    assert (payment.status, payment.reason) == ("voiding", PROVIDER_UNAVAILABLE)
    assert [request.kind for request in requests(session)] == ["void"]
    assert emitted(session) == []
    await when(session, payment, "void.done")
    assert payment.status == "voided"
    assert [one.type for one in emitted(session)] == ["payment.declined.v1"]


async def test_a_decline_is_one_at_any_attempt(session: Session) -> None:
    payment = await given(session, "pending")
    assert payment is not None
    await STEPS["charge"].settle(attempt_at(payment.id, "charge", 2), OUTCOMES["charge.declined"], session)
    assert (payment.status, payment.reason) == ("declined", "card_declined")


async def test_cancelling_ends_the_charge_under_way(session: Session) -> None:
    payment = await given(session, "pending")
    await when(session, payment, "order.cancelled")
    assert [request.supersedes for request in requests(session)] == ["charge"]


def test_the_table_is_total() -> None:
    inputs = {*OUTCOMES, "charge.given_up", "order.placed", "order.placed late", "order.cancelled"}
    assert set(TRANSITIONS) == {(state, event) for state in (None, *STATES) for event in inputs}
