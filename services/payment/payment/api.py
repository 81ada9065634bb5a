"""The payment service's HTTP: what became of an order's payment."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from chassis.http import Customer, QuerySession, ServiceRoute
from payment.models import Payment, Status

router = APIRouter(prefix="/payments", route_class=ServiceRoute)


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
