"""What the order service publishes, and its own copies of what it consumes."""

from datetime import datetime
from typing import Self

from chassis.events import Contract, Event
from order.models import Order


class OrderPlaced(Event, type="order.placed.v1"):
    """An order was accepted and its stock reserved; it expires unless it is paid in time."""

    customer: str
    total_cents: int
    currency: str
    payment_token: str
    email: str
    expires_at: datetime

    @classmethod
    def of(cls, order: Order, payment_token: str) -> Self:
        """The fact that this order was placed, with the token it is to be paid with."""
        return cls(
            order_id=order.id,
            customer=order.customer,
            total_cents=order.total_cents,
            currency=order.currency,
            payment_token=payment_token,
            email=order.email,
            expires_at=order.expires_at,
        )


class OrderConfirmed(Event, type="order.confirmed.v1"):
    """The order is paid and its stock sold."""

    customer: str
    total_cents: int
    currency: str
    email: str

    @classmethod
    def of(cls, order: Order) -> Self:
        """The fact that this order was confirmed."""
        return cls(
            order_id=order.id,
            customer=order.customer,
            total_cents=order.total_cents,
            currency=order.currency,
            email=order.email,
        )


class OrderCancelled(Event, type="order.cancelled.v1"):
    """The order will not be delivered; its stock is available again."""

    customer: str
    reason: str
    total_cents: int
    currency: str
    email: str

    @classmethod
    def of(cls, order: Order) -> Self:
        """The fact that this order was cancelled, and why."""
        assert order.reason is not None
        return cls(
            order_id=order.id,
            customer=order.customer,
            reason=order.reason,
            total_cents=order.total_cents,
            currency=order.currency,
            email=order.email,
        )


class PaymentCaptured(Event, type="payment.captured.v1"):
    """The customer's money was taken."""


class PaymentDeclined(Event, type="payment.declined.v1"):
    """No money was taken, and none will be."""

    reason: str


class PaymentVoided(Event, type="payment.voided.v1"):
    """A charge was called off before it was known to have gone through."""


class PaymentRefunded(Event, type="payment.refunded.v1"):
    """The customer's money was given back."""


class NotificationSent(Event, type="notification.sent.v1"):
    """A mail was handed to the mail server."""

    kind: str


class NotificationFailed(Event, type="notification.failed.v1"):
    """The mail server refused a mail for good."""

    kind: str


CONTRACT = Contract(
    service="order",
    vhost="orders",
    publishes=(OrderPlaced, OrderConfirmed, OrderCancelled),
    consumes={
        "payments": (PaymentCaptured, PaymentDeclined, PaymentVoided, PaymentRefunded),
        "notifications": (NotificationSent, NotificationFailed),
    },
)
