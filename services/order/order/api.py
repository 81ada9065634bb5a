"""The order service's HTTP: the caller's orders, the products and their stock."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import select

from chassis.errors import ProblemError
from chassis.http import (
    CommandId,
    Customer,
    QuerySession,
    ServiceRoute,
    TransactionSession,
    idempotent,
)
from chassis.outbox import emit
from chassis.partitioning import hash_partition
from order.events import OrderCancelled, OrderPlaced
from order.models import Order, Status
from order.products import SKU
from order.settings import Settings
from order.stock import Item

MAX_LINES = 50
MAX_QUANTITY = 1000
MAX_PAGE = 100

# Dot-atoms and host labels (RFC 5321): what a mail server can be asked to deliver to. Without `=` and `?`, which would
# make it an encoded word.
_ATOM = r"[A-Za-z0-9!#$%&'*+/^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
EMAIL = rf"^{_ATOM}(\.{_ATOM})*@{_LABEL}(\.{_LABEL})*$"

router = APIRouter(prefix="/orders", route_class=ServiceRoute)


class Line(BaseModel):
    """A product wanted, and how many of it."""

    model_config = ConfigDict(extra="forbid")

    sku: SKU
    quantity: int = Field(ge=1, le=MAX_QUANTITY, strict=True)


class PlaceOrder(BaseModel):
    """What a customer sends to order something."""

    model_config = ConfigDict(extra="forbid")

    items: list[Line] = Field(min_length=1, max_length=MAX_LINES)
    payment_token: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    email: str = Field(max_length=254, pattern=EMAIL)

    @field_validator("items")
    @classmethod
    def refuse_duplicates(cls, items: list[Line]) -> list[Line]:
        """One line per product."""
        skus = [line.sku for line in items]
        if twice := sorted({sku for sku in skus if skus.count(sku) > 1}):
            raise ValueError(f"each product may stand in one line only, not {', '.join(twice)}")
        return items

    @property
    def wanted(self) -> dict[str, int]:
        """Quantities by product code."""
        return {line.sku: line.quantity for line in self.items}


class OrderAccepted(BaseModel):
    """The order exists and its stock is reserved."""

    id: UUID
    status: Literal["pending"]
    total_cents: int
    currency: str
    expires_at: datetime

    @classmethod
    def of(cls, order: Order) -> "OrderAccepted":
        """What the customer is told about an order just placed."""
        return cls.model_validate(order, from_attributes=True)


class OrderOut(BaseModel):
    """An order as its customer sees it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    status: Status
    reason: str | None
    items: list[Item]
    total_cents: int
    currency: str
    email: str
    created_at: datetime
    expires_at: datetime


class OrderPage(BaseModel):
    """Orders, newest first; `cursor` asks for the next page and is absent on the last."""

    orders: list[OrderOut]
    cursor: UUID | None = None


async def settings_of(request: Request) -> Settings:
    """The service's settings."""
    settings: Settings = request.app.state.settings
    return settings


@router.post("", status_code=202)
@idempotent
async def place_order(
    body: PlaceOrder,
    customer: Customer,
    id_: CommandId,
    *,
    session: TransactionSession,
    settings: Annotated[Settings, Depends(settings_of)],
    response: Response,
) -> OrderAccepted:
    """Accept an order: it is paid for, confirmed and announced from here on without the client."""
    order = await Order.place(
        session,
        id_,
        body.wanted,
        customer=customer,
        email=body.email,
        ttl_seconds=settings.order_ttl_seconds,
        partition=hash_partition(id_, settings.partitions),
    )
    emit(session, order, OrderPlaced.of(order, body.payment_token))
    response.headers["Location"] = f"/orders/{order.id}"
    return OrderAccepted.of(order)


@router.get("/{order_id}")
async def read_order(order_id: UUID, customer: Customer, session: QuerySession) -> OrderOut:
    """One order of the caller."""
    return OrderOut.model_validate(own(await session.get(Order, order_id), order_id, customer))


@router.get("")
async def list_orders(
    customer: Customer,
    session: QuerySession,
    status: Status | None = None,
    cursor: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20,
) -> OrderPage:
    """The caller's orders, newest first."""
    query = select(Order).where(Order.customer == customer).order_by(Order.id.desc()).limit(limit + 1)
    if status is not None:
        query = query.where(Order.status == status)
    if cursor is not None:
        query = query.where(Order.id < cursor)
    orders = (await session.scalars(query)).all()
    page = [OrderOut.model_validate(order) for order in orders[:limit]]
    return OrderPage(orders=page, cursor=page[-1].id if len(orders) > limit else None)


@router.post("/{order_id}/cancel")
async def cancel_order(order_id: UUID, customer: Customer, session: TransactionSession) -> OrderOut:
    """Cancel an order, paid or not; cancelling it again changes nothing."""
    order = own(await session.locked(Order, order_id), order_id, customer)
    if order.cancel(session, "cancel", "customer_request"):
        emit(session, order, OrderCancelled.of(order))
    return OrderOut.model_validate(order)


def own(order: Order | None, order_id: UUID, customer: str) -> Order:
    """Somebody else's order is as unknown as one that does not exist."""
    if order is None or order.customer != customer:
        raise ProblemError(404, f"there is no order {order_id} of yours")
    return order
