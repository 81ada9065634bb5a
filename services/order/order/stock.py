"""Stock: reserved when an order is placed, sold when it is paid, available again when it is cancelled.

Changes are collected in the transaction and applied in one statement just before the commit: hot rows are locked for
the shortest time, always after the order and always by product code, so that no two transactions wait for each other.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Mapped, mapped_column
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from chassis.db import Base, Session
from chassis.errors import ProblemError
from chassis.writes import Rows, Write
from order import metrics

LOCK_AND_CHANGE = """
    WITH change AS (
        SELECT * FROM unnest(CAST(:stock_sku AS text[]), CAST(:stock_available AS int[]),
                             CAST(:stock_reserved AS int[]), CAST(:stock_sold AS int[]))
            AS change (sku, available, reserved, sold)
    ), locked AS MATERIALIZED (
        SELECT sku FROM stock WHERE sku = ANY(CAST(:stock_sku AS text[])) ORDER BY sku FOR UPDATE
    )
    UPDATE stock SET available = stock.available + change.available, reserved = stock.reserved + change.reserved,
        sold = stock.sold + change.sold
    FROM change JOIN locked USING (sku)
    WHERE stock.sku = change.sku AND stock.available + change.available >= 0
    RETURNING stock.sku
"""


class Item(TypedDict):
    """A line of an order, as it was when the order was placed."""

    sku: str
    quantity: int
    unit_price_cents: int


class Stock(Base):
    """How many of a product there are: stocked = available + reserved + sold, none of them negative."""

    __tablename__ = "stock"

    sku: Mapped[str] = mapped_column(primary_key=True)
    stocked: Mapped[int]
    available: Mapped[int]
    reserved: Mapped[int] = mapped_column(default=0)
    sold: Mapped[int] = mapped_column(default=0)


@dataclass
class Change:
    """What one transaction does to one product."""

    available: int = 0
    reserved: int = 0
    sold: int = 0


def reserve(session: Session, items: Sequence[Item]) -> None:
    """available -> reserved. The commit raises `ProblemError` (409) if there is not enough."""
    _collect(session, items, available=-1, reserved=+1)


def sell(session: Session, items: Sequence[Item]) -> None:
    """reserved -> sold."""
    _collect(session, items, reserved=-1, sold=+1)


def release(session: Session, items: Sequence[Item]) -> None:
    """reserved -> available."""
    _collect(session, items, reserved=-1, available=+1)


def take_back(session: Session, items: Sequence[Item]) -> None:
    """sold -> available."""
    _collect(session, items, sold=-1, available=+1)


def _collect(session: Session, items: Sequence[Item], available: int = 0, reserved: int = 0, sold: int = 0) -> None:
    changes: defaultdict[str, Change] = session.info.setdefault("stock", defaultdict(Change))
    for item in items:
        change, quantity = changes[item["sku"]], item["quantity"]
        change.available += available * quantity
        change.reserved += reserved * quantity
        change.sold += sold * quantity
    session.defer(_apply, last=True)


async def _apply(session: Session) -> Write:
    changes: dict[str, Change] = session.info["stock"]
    columns = {
        "sku": list(changes),
        "available": [change.available for change in changes.values()],
        "reserved": [change.reserved for change in changes.values()],
        "sold": [change.sold for change in changes.values()],
    }
    return Write("stock", LOCK_AND_CHANGE, columns, partial(_refuse_short, set(changes)))


def _refuse_short(wanted: set[str], changed: Rows) -> None:
    if short := sorted(wanted - {row["sku"] for row in changed}):
        metrics.REJECTED_TOTAL.labels("out_of_stock").inc()
        raise ProblemError(409, f"not enough stock of {', '.join(short)}", products=short)
