"""What the payment service publishes, and its own copies of what it consumes."""

from datetime import datetime
from typing import Self

from chassis.events import Contract, Event
from payment.models import Payment


class PaymentCaptured(Event, type="payment.captured.v1"):
    """The customer's money was taken."""

    amount_cents: int
    currency: str

    @classmethod
    def of(cls, payment: Payment) -> Self:
        """The fact that this payment was captured."""
        return cls(order_id=payment.id, amount_cents=payment.amount_cents, currency=payment.currency)


class PaymentDeclined(Event, type="payment.declined.v1"):
    """No money was taken, and none will be."""

    reason: str

    @classmethod
    def of(cls, payment: Payment) -> Self:
        """The fact that this payment was declined, and why."""
        assert payment.reason is not None
        return cls(order_id=payment.id, reason=payment.reason)


class PaymentVoided(Event, type="payment.voided.v1"):
    """A charge was called off before it was known to have gone through; no money stays taken."""

    @classmethod
    def of(cls, payment: Payment) -> Self:
        """The fact that this payment was voided."""
        return cls(order_id=payment.id)


class PaymentRefunded(Event, type="payment.refunded.v1"):
    """The customer's money was given back."""

    customer: str
    amount_cents: int
    currency: str
    email: str

    @classmethod
    def of(cls, payment: Payment) -> Self:
        """The fact that this payment was refunded."""
        return cls(
            order_id=payment.id,
            customer=payment.customer,
            amount_cents=payment.amount_cents,
            currency=payment.currency,
            email=payment.email,
        )


class OrderPlaced(Event, type="order.placed.v1"):
    """An order was accepted; charge it."""

    customer: str
    total_cents: int
    currency: str
    payment_token: str
    email: str
    expires_at: datetime


class OrderCancelled(Event, type="order.cancelled.v1"):
    """The order will not be delivered: give back what was taken."""

    reason: str


CONTRACT = Contract(
    service="payment",
    vhost="payments",
    publishes=(PaymentCaptured, PaymentDeclined, PaymentVoided, PaymentRefunded),
    consumes={"orders": (OrderPlaced, OrderCancelled)},
)
