"""Products and orders; an order owns its transitions and refuses illegal ones."""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Text, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chassis.db import Aggregate, Base, Session
from chassis.errors import ProblemError
from chassis.transitions import Table, Verdict, advance
from order import metrics, stock
from order.stock import Item

Status = Literal["pending", "confirmed", "cancelled"]

MAX_TOTAL_CENTS = 10**11  # what a card payment can be expected to carry

RECORD, IGNORE, PARK = Verdict.RECORD, Verdict.IGNORE, Verdict.PARK

TRANSITIONS: Table = {
    ("pending", "payment.captured"): "confirmed",
    ("pending", "payment.declined"): "cancelled",
    ("pending", "payment.voided"): PARK,
    ("pending", "payment.refunded"): PARK,
    ("pending", "deadline"): "cancelled",
    ("pending", "cancel"): "cancelled",
    ("pending", "notification.sent"): RECORD,
    ("pending", "notification.failed"): RECORD,
    ("confirmed", "payment.captured"): IGNORE,
    ("confirmed", "payment.declined"): PARK,
    ("confirmed", "payment.voided"): PARK,
    ("confirmed", "payment.refunded"): PARK,
    ("confirmed", "deadline"): IGNORE,
    ("confirmed", "cancel"): "cancelled",
    ("confirmed", "notification.sent"): RECORD,
    ("confirmed", "notification.failed"): RECORD,
    ("cancelled", "payment.captured"): RECORD,
    ("cancelled", "payment.declined"): RECORD,
    ("cancelled", "payment.voided"): RECORD,
    ("cancelled", "payment.refunded"): RECORD,
    ("cancelled", "deadline"): IGNORE,
    ("cancelled", "cancel"): IGNORE,
    ("cancelled", "notification.sent"): RECORD,
    ("cancelled", "notification.failed"): RECORD,
    (None, "payment.captured"): PARK,
    (None, "payment.declined"): PARK,
    (None, "payment.voided"): PARK,
    (None, "payment.refunded"): PARK,
    (None, "notification.sent"): RECORD,
    (None, "notification.failed"): RECORD,
}


class Product(Base):
    """What is sold. Its price is copied into an order when that is placed."""

    __tablename__ = "products"

    sku: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    price_cents: Mapped[int]
    currency: Mapped[str]
    version: Mapped[int] = mapped_column(default=1)


# Built once: building a statement costs as much as running it.
PRODUCTS = select(Product.sku, Product.price_cents, Product.currency, func.now().label("now")).where(
    Product.sku == any_(bindparam("skus", type_=ARRAY(Text)))
)


class Order(Aggregate):
    """A customer's order: pending until it is paid, cancelled or expired."""

    __tablename__ = "orders"

    customer: Mapped[str]
    email: Mapped[str]
    status: Mapped[str] = mapped_column(default="pending")
    reason: Mapped[str | None]
    items: Mapped[list[Item]] = mapped_column(JSONB)
    total_cents: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]

    @classmethod
    async def place(
        cls,
        session: Session,
        id_: UUID,
        wanted: dict[str, int],
        *,
        customer: str,
        email: str,
        ttl_seconds: float,
        partition: int,
    ) -> "Order":
        """Reserve stock at today's prices. Raises `ProblemError` (422) naming unknown products."""
        products = (await session.execute(PRODUCTS, {"skus": list(wanted)})).all()
        if unknown := sorted(set(wanted) - {product.sku for product in products}):
            metrics.REJECTED_TOTAL.labels("unknown_product").inc()
            raise ProblemError(422, f"items: no such product: {', '.join(unknown)}", products=unknown)
        now = products[0].now
        if len(currencies := {product.currency for product in products}) > 1:
            metrics.REJECTED_TOTAL.labels("mixed_currencies").inc()
            raise ProblemError(422, f"items: one order cannot mix currencies ({', '.join(sorted(currencies))})")
        items = [
            Item(sku=product.sku, quantity=wanted[product.sku], unit_price_cents=product.price_cents)
            for product in products
        ]
        total_cents = sum(item["quantity"] * item["unit_price_cents"] for item in items)
        if total_cents > MAX_TOTAL_CENTS:
            metrics.REJECTED_TOTAL.labels("too_expensive").inc()
            raise ProblemError(422, f"items: together they cost more than {MAX_TOTAL_CENTS} cents; order less at once")
        order = cls(
            id=id_,
            partition=partition,
            customer=customer,
            email=email,
            status="pending",
            items=items,
            total_cents=total_cents,
            currency=products[0].currency,
            created_at=now,
            expires_at=now + timedelta(seconds=ttl_seconds),
        )
        stock.reserve(session, items)
        return session.create(order)

    def confirm(self, session: Session) -> bool:
        """The payment was captured. Returns whether that changed anything."""
        if not self._advance("payment.captured"):
            return False
        stock.sell(session, self.items)
        return True

    def cancel(self, session: Session, event: str, reason: str) -> bool:
        """Give the stock back, because of `event`. Returns whether that changed anything."""
        give_back = stock.take_back if self.status == "confirmed" else stock.release
        if not self._advance(event):
            return False
        self.reason = reason
        give_back(session, self.items)
        return True

    def _advance(self, event: str) -> bool:
        moved = advance(TRANSITIONS, self.status, event)
        self.status = moved or self.status
        return moved is not None


def record(order: Order | None, event: str) -> None:
    """A fact that moves nothing. Raises `ParkError` where the table says that it cannot be."""
    moved = advance(TRANSITIONS, order.status if order else None, event)
    assert moved is None, f"{event} moves an order: use its transition"
