"""What the notification service does about what it hears: one function per event."""

from uuid import UUID

from chassis.consumer import Consumer
from chassis.db import Session
from chassis.effects import request
from chassis.events import Envelope
from notification.effects import MAIL
from notification.events import CONTRACT, OrderCancelled, OrderConfirmed, PaymentRefunded
from notification.models import Kind, Notification, notification_id

KINDS: dict[str, Kind] = {
    OrderConfirmed.type: "order_confirmed",
    OrderCancelled.type: "order_cancelled",
    PaymentRefunded.type: "payment_refunded",
}


def _key(envelope: Envelope) -> UUID:
    return notification_id(envelope.subject, KINDS.get(envelope.type, envelope.type))


consumer = Consumer(CONTRACT, Notification, key=_key)


@consumer.on(OrderConfirmed)
async def announce_confirmation(event: OrderConfirmed, session: Session) -> None:
    await _notify(event, session)


@consumer.on(OrderCancelled)
async def announce_cancellation(event: OrderCancelled, session: Session) -> None:
    await _notify(event, session)


@consumer.on(PaymentRefunded)
async def announce_refund(event: PaymentRefunded, session: Session) -> None:
    await _notify(event, session)


async def _notify(event: OrderConfirmed | OrderCancelled | PaymentRefunded, session: Session) -> None:
    kind = KINDS[event.type]
    notification = await session.locked(Notification, notification_id(event.order_id, kind))
    if notification is not None:
        notification.apply("requested")
        return
    notification = Notification.of(
        event.order_id, kind, customer=event.customer, email=event.email, partition=session.cause.partition
    )
    session.create(notification)
    payload = {"kind": kind, **event.model_dump(mode="json")}
    request(session, notification, MAIL, payload, subject=event.order_id)
