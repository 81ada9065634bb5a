"""What the notification service publishes, and its own copies of what it consumes."""

from typing import Self

from chassis.events import Contract, Event
from notification.models import Notification


class NotificationSent(Event, type="notification.sent.v1"):
    """A mail was handed to the mail server."""

    kind: str

    @classmethod
    def of(cls, notification: Notification) -> Self:
        """The fact that this mail was sent."""
        return cls(order_id=notification.order_id, kind=notification.kind)


class NotificationFailed(Event, type="notification.failed.v1"):
    """The mail server refused a mail for good; the reply says why."""

    kind: str
    reason: str

    @classmethod
    def of(cls, notification: Notification) -> Self:
        """The fact that this mail was refused, and why."""
        assert notification.reason is not None
        return cls(order_id=notification.order_id, kind=notification.kind, reason=notification.reason)


class OrderConfirmed(Event, type="order.confirmed.v1"):
    """The order is paid and its stock sold."""

    customer: str
    total_cents: int
    currency: str
    email: str


class OrderCancelled(Event, type="order.cancelled.v1"):
    """The order will not be delivered."""

    reason: str
    customer: str
    total_cents: int
    currency: str
    email: str


class PaymentRefunded(Event, type="payment.refunded.v1"):
    """The customer's money was given back."""

    customer: str
    amount_cents: int
    currency: str
    email: str


CONTRACT = Contract(
    service="notification",
    vhost="notifications",
    publishes=(NotificationSent, NotificationFailed),
    consumes={"orders": (OrderConfirmed, OrderCancelled), "payments": (PaymentRefunded,)},
)
