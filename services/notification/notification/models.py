"""A notification is one mail about one order; its id, and so its Message-ID, follows from both."""

from typing import Literal
from uuid import UUID, uuid5

from sqlalchemy.orm import Mapped, mapped_column

from chassis.db import Aggregate
from chassis.transitions import Table, Verdict, advance

Kind = Literal["order_confirmed", "order_cancelled", "payment_refunded"]
Status = Literal["waiting", "sent", "failed"]

IGNORE, PARK, RECORD = Verdict.IGNORE, Verdict.PARK, Verdict.RECORD

TRANSITIONS: Table = {
    (None, "requested"): "waiting",
    (None, "mail.accepted"): PARK,
    (None, "mail.refused"): PARK,
    ("waiting", "requested"): IGNORE,
    ("waiting", "mail.accepted"): "sent",
    ("waiting", "mail.refused"): "failed",
    ("sent", "requested"): IGNORE,
    ("sent", "mail.accepted"): RECORD,
    ("sent", "mail.refused"): RECORD,
    ("failed", "requested"): IGNORE,
    ("failed", "mail.accepted"): RECORD,
    ("failed", "mail.refused"): RECORD,
}


class Notification(Aggregate):
    """One mail: waiting until the mail server took it or refused it for good (`reason` says why)."""

    __tablename__ = "notifications"

    order_id: Mapped[UUID]
    customer: Mapped[str]
    kind: Mapped[str]
    status: Mapped[str] = mapped_column(default="waiting")
    reason: Mapped[str | None]
    email: Mapped[str]

    @classmethod
    def of(cls, order_id: UUID, kind: Kind, *, customer: str, email: str, partition: int) -> "Notification":
        """A mail that waits to be sent."""
        id_ = notification_id(order_id, kind)
        return cls(
            id=id_,
            order_id=order_id,
            kind=kind,
            status="waiting",
            customer=customer,
            email=email,
            partition=partition,
        )

    def apply(self, event: str, reason: str | None = None) -> bool:
        """Move by the table. Returns whether that changed anything; raises `ParkError` for what is impossible."""
        moved = advance(TRANSITIONS, self.status, event)
        if moved is None:
            return False
        self.status = moved
        self.reason = reason
        return True


def notification_id(order_id: UUID, kind: str) -> UUID:
    """The same for the same mail, whoever asks: a mail sent twice can be told by it."""
    return uuid5(order_id, kind)
