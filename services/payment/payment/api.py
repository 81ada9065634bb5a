"""The payment service's HTTP: what became of an order's payment, and of a day's."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from chassis.errors import ProblemError
from chassis.http import Admin, Customer, QuerySession, ServiceRoute
from payment.models import Payment, Settlement, Status
from payment.settlement import Difference

router = APIRouter(prefix="/payments", route_class=ServiceRoute)
settlements = APIRouter(prefix="/settlements", route_class=ServiceRoute)


class PaymentOut(BaseModel):
    """A payment as its customer may see it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    status: Status
    reason: str | None
    amount_cents: int
    currency: str


class Payments(BaseModel):
    """An order has one payment, or none yet."""

    payments: list[PaymentOut]


@router.get("")
async def list_payments(order_id: Annotated[UUID, Query()], customer: Customer, session: QuerySession) -> Payments:
    """The payment of an order of the caller."""
    payment = await session.get(Payment, order_id)
    found = [PaymentOut.model_validate(payment)] if payment and payment.customer == customer else []
    return Payments(payments=found)


class TotalOut(BaseModel):
    """What one book says: ours, or theirs."""

    book: Literal["ours", "theirs"]
    kind: Literal["capture", "refund"]
    currency: str
    count: int
    cents: int


class SettlementOut(BaseModel):
    """A UTC day's payments, compared with the provider's ledger."""

    model_config = ConfigDict(from_attributes=True)

    day: date
    settled_at: datetime
    totals: list[TotalOut]
    differences: list[Difference]


@settlements.get("/{day}", dependencies=[Admin])
async def read_settlement(day: date, session: QuerySession) -> SettlementOut:
    """What was found when the day was settled last."""
    settlement = await session.get(Settlement, day)
    if settlement is None:
        raise ProblemError(404, f"{day} is not settled: python -m payment settle {day}")
    return SettlementOut.model_validate(settlement)
