"""What the order service does about what it hears: one function per event."""

from chassis.consumer import Consumer
from chassis.db import Session
from chassis.events import Event
from chassis.outbox import emit
from order.events import (
    CONTRACT,
    NotificationFailed,
    NotificationSent,
    OrderCancelled,
    OrderConfirmed,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentVoided,
)
from order.models import Order, record

consumer = Consumer(CONTRACT, Order)


@consumer.on(PaymentCaptured)
async def confirm_order(event: PaymentCaptured, session: Session) -> None:
    order = await session.locked(Order, event.order_id)
    if order is None:
        record(None, "payment.captured")
    elif order.confirm(session):
        emit(session, order, OrderConfirmed.of(order))


@consumer.on(PaymentDeclined)
async def cancel_order(event: PaymentDeclined, session: Session) -> None:
    order = await session.locked(Order, event.order_id)
    reason = "provider_unavailable" if event.reason == "provider_unavailable" else "payment_declined"
    if order is None:
        record(None, "payment.declined")
    elif order.cancel(session, "payment.declined", reason):
        emit(session, order, OrderCancelled.of(order))


@consumer.on(PaymentVoided, PaymentRefunded, NotificationSent, NotificationFailed)
async def record_fact(event: Event, session: Session) -> None:
    record(await session.locked(Order, event.order_id), event.type.removesuffix(".v1"))
