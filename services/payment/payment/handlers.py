"""What the payment service does about what it hears: one function per event."""

from chassis.consumer import Consumer
from chassis.db import Session
from chassis.effects import request
from chassis.outbox import emit
from payment.effects import CHARGE, REFUND, VOID, Charge
from payment.events import CONTRACT, OrderCancelled, OrderPlaced, PaymentDeclined
from payment.models import Payment, first_status

consumer = Consumer(CONTRACT, Payment)


@consumer.on(OrderPlaced)
async def charge_order(event: OrderPlaced, session: Session) -> None:
    payment = await session.locked(Payment, event.order_id)
    if payment is not None:
        payment.apply("order.placed")
        return
    assert session.now is not None
    late = session.now >= event.expires_at
    payment = Payment(
        id=event.order_id,
        partition=session.cause.partition,
        status=first_status("order.placed late" if late else "order.placed"),
        reason="expired" if late else None,
        customer=event.customer,
        amount_cents=event.total_cents,
        currency=event.currency,
        email=event.email,
    )
    session.create(payment)
    if late:
        emit(session, payment, PaymentDeclined.of(payment))
    else:
        request(session, payment, CHARGE, Charge.payload(payment, event.payment_token))


@consumer.on(OrderCancelled)
async def call_off_payment(event: OrderCancelled, session: Session) -> None:
    payment = await session.locked(Payment, event.order_id)
    if payment is None:
        status = first_status("order.cancelled")
        session.create(Payment(id=event.order_id, partition=session.cause.partition, status=status))
    elif payment.apply("order.cancelled"):
        if payment.status == "voiding":
            request(session, payment, VOID, {}, supersedes=CHARGE)
        else:
            request(session, payment, REFUND, {})
