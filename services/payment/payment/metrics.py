"""What the payment service counts, told by what was committed."""

from chassis import saga
from chassis.outbox import emitted
from chassis.session import Session

UNDONE = {"payment.voided.v1": "void_charge", "payment.refunded.v1": "refund_payment"}


def preset() -> None:
    """Let everything begin at 0."""
    for step in UNDONE.values():
        saga.COMPENSATIONS_TOTAL.labels(step)


def count(session: Session) -> None:
    """A session's listener: count the compensations of this commit."""
    for emission in emitted(session):
        if step := UNDONE.get(emission.type):
            saga.COMPENSATIONS_TOTAL.labels(step).inc()
