"""A payment owns its transitions and refuses illegal ones. Its id is its order's: one order is charged at most once."""

from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import BigInteger
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chassis.db import Aggregate, Base
from chassis.transitions import Table, Verdict, advance

Status = Literal["pending", "captured", "declined", "voiding", "voided", "refunding", "refunded"]

RECORD, IGNORE, PARK = Verdict.RECORD, Verdict.IGNORE, Verdict.PARK

NO_CURRENCY = "XXX"  # ISO 4217: no currency is involved
PROVIDER_UNAVAILABLE = "provider_unavailable"

_LATE_CHARGE: dict[tuple[str | None, str], str | Verdict] = {
    (state, f"charge.{outcome}"): RECORD
    for state in ("voiding", "voided")
    for outcome in ("captured", "declined", "given_up")
}
_IMPOSSIBLE: dict[tuple[str | None, str], str | Verdict] = {
    (state, event): PARK
    for state in (None, "pending", "captured", "declined", "voiding", "voided", "refunding", "refunded")
    for event in (
        "charge.captured",
        "charge.declined",
        "charge.given_up",
        "void.done",
        "void.refused",
        "refund.done",
        "refund.refused",
    )
}

TRANSITIONS: Table = {
    # The result of a call that nobody in this state can have made: the fence lets none through.
    **_IMPOSSIBLE,
    **_LATE_CHARGE,
    (None, "order.placed"): "pending",
    (None, "order.placed late"): "declined",
    (None, "order.cancelled"): "voided",  # a tombstone: a later order.placed finds it and charges nothing
    ("pending", "charge.captured"): "captured",
    ("pending", "charge.declined"): "declined",
    ("pending", "charge.given_up"): "voiding",
    ("pending", "order.cancelled"): "voiding",
    ("voiding", "void.done"): "voided",
    ("captured", "order.cancelled"): "refunding",
    ("refunding", "refund.done"): "refunded",
    ("declined", "order.cancelled"): IGNORE,
    ("voiding", "order.cancelled"): IGNORE,
    ("voided", "order.cancelled"): IGNORE,
    ("refunding", "order.cancelled"): IGNORE,
    ("refunded", "order.cancelled"): IGNORE,
    **{
        (state, event): IGNORE
        for state in ("pending", "captured", "declined", "voiding", "voided", "refunding", "refunded")
        for event in ("order.placed", "order.placed late")
    },
}


class Payment(Aggregate):
    """What was or will be taken for one order. `reason` says why it was declined, or why it is being voided."""

    __tablename__ = "payments"

    status: Mapped[str]
    reason: Mapped[str | None]
    customer: Mapped[str] = mapped_column(default="")
    amount_cents: Mapped[int] = mapped_column(BigInteger, default=0)
    currency: Mapped[str] = mapped_column(default=NO_CURRENCY)
    email: Mapped[str] = mapped_column(default="")

    def apply(self, event: str, reason: str | None = None) -> bool:
        """Move by the table. Returns whether that changed anything; raises `ParkError` for what is impossible."""
        moved = advance(TRANSITIONS, self.status, event, reason or "")
        if moved is None:
            return False
        self.status = moved
        self.reason = reason or self.reason
        return True

    @property
    def given_up(self) -> bool:
        """Whether it was we who called the charge off, because the provider could not be reached in time."""
        return self.reason == PROVIDER_UNAVAILABLE


class Settlement(Base):
    """What one UTC day's comparison with the provider's ledger found; replaced when the day is settled again."""

    __tablename__ = "settlements"

    day: Mapped[date] = mapped_column(primary_key=True)
    settled_at: Mapped[datetime]
    totals: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    differences: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)


def first_status(event: str) -> str:
    """The status of a payment that begins with this event. Raises `ParkError` if none can."""
    status = advance(TRANSITIONS, None, event)
    assert status is not None
    return status
