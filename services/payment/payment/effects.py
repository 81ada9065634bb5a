"""What the payment service asks of the provider: charge, void, refund. Each result is one transaction."""

from collections.abc import Awaitable
from typing import Any

from chassis.db import Session
from chassis.effects import Effect, request
from chassis.logging import get_logger
from chassis.outbox import emit
from chassis.parking import ParkError
from chassis.resilience import Guard
from payment.events import PaymentCaptured, PaymentDeclined, PaymentRefunded, PaymentVoided
from payment.models import PROVIDER_UNAVAILABLE, Payment
from payment.provider import Charge as ProviderCharge
from payment.provider import Provider, RefusedError

CHARGE, VOID, REFUND = "charge", "void", "refund"
REFUSED = "refused"


class Call:
    """What the three calls share: the provider and its guard, and no deadline unless they set one."""

    give_up_seconds: float | None = None

    def __init__(self, provider: Provider, guard: Guard) -> None:
        self._provider = provider
        self.guard = guard

    async def give_up(self, effect: Effect, session: Session) -> None:
        """Voids and refunds are never given up: money must not stay taken."""
        raise ParkError(f"a {effect.kind} has no deadline")


class Charge(Call):
    """Take the money; given up by a deadline, and then voided, because the outcome of a time-out is unknown."""

    kind = CHARGE

    def __init__(self, provider: Provider, guard: Guard, give_up_seconds: float) -> None:
        super().__init__(provider, guard)
        self.give_up_seconds = give_up_seconds

    @staticmethod
    def payload(payment: Payment, payment_token: str) -> dict[str, Any]:
        """What the provider is sent."""
        return {
            "amount_cents": payment.amount_cents,
            "currency": payment.currency,
            "payment_token": payment_token,
        }

    async def perform(self, effect: Effect) -> ProviderCharge:
        """The call; a first attempt's refusal counts as a decline, with the provider's words as the reason."""
        charge = await _or_refused(self._provider.charge(effect.subject, effect.payload))
        declined = charge.status == REFUSED and effect.attempt == 1
        return charge.model_copy(update={"status": "declined"}) if declined else charge

    async def settle(self, effect: Effect, outcome: ProviderCharge, session: Session) -> None:
        """captured or declined; a refusal that is neither is given up."""
        if outcome.status == REFUSED:
            # It says nothing of the attempts before it: one of them may have taken the money, its answer was lost.
            get_logger().warning("a repeated charge was refused, it is voided", reason=outcome.decline_reason)
            await self.give_up(effect, session)
            return
        payment = await _payment(effect, session)
        if not payment.apply(f"charge.{outcome.status}", outcome.decline_reason):
            return
        if outcome.status == "captured":
            emit(session, payment, PaymentCaptured.of(payment))
        else:
            emit(session, payment, PaymentDeclined.of(payment))

    async def give_up(self, effect: Effect, session: Session) -> None:
        """Nobody knows whether the provider took the money: make sure that nothing was or will be taken."""
        payment = await _payment(effect, session)
        if payment.apply("charge.given_up", PROVIDER_UNAVAILABLE):
            request(session, payment, VOID, {})


class Void(Call):
    """Make sure that nothing stays taken."""

    kind = VOID

    async def perform(self, effect: Effect) -> ProviderCharge:
        """The call."""
        return await _or_refused(self._provider.void(effect.subject))

    async def settle(self, effect: Effect, outcome: ProviderCharge, session: Session) -> None:
        """voided; told as a decline where we gave up ourselves, because the order still waits for an answer."""
        payment = await _payment(effect, session)
        if payment.apply(*_done_or_refused(effect, outcome)):
            told = PaymentDeclined if payment.given_up else PaymentVoided
            emit(session, payment, told.of(payment))


class Refund(Call):
    """Give the money back."""

    kind = REFUND

    async def perform(self, effect: Effect) -> ProviderCharge:
        """The call."""
        return await _or_refused(self._provider.refund(effect.subject))

    async def settle(self, effect: Effect, outcome: ProviderCharge, session: Session) -> None:
        """refunded."""
        payment = await _payment(effect, session)
        if payment.apply(*_done_or_refused(effect, outcome)):
            emit(session, payment, PaymentRefunded.of(payment))


async def _or_refused(call: Awaitable[ProviderCharge]) -> ProviderCharge:
    """A refusal for good is an outcome, too: the table says what becomes of it."""
    try:
        return await call
    except RefusedError as error:
        return ProviderCharge(status=REFUSED, decline_reason=str(error))


def _done_or_refused(effect: Effect, outcome: ProviderCharge) -> tuple[str, str | None]:
    if outcome.status == REFUSED:
        return f"{effect.kind}.refused", outcome.decline_reason
    return f"{effect.kind}.done", None


async def _payment(effect: Effect, session: Session) -> Payment:
    payment = await session.locked(Payment, effect.aggregate_id)
    if payment is None:
        raise ParkError(f"a {effect.kind} came back for a payment that does not exist")
    return payment
