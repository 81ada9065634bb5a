"""The notification service's HTTP: which mails an order led to."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from chassis.http import Customer, QuerySession, ServiceRoute
from notification.models import Kind, Notification, Status

router = APIRouter(prefix="/notifications", route_class=ServiceRoute)


class NotificationOut(BaseModel):
    """A mail as its customer may see it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: Kind
    status: Status
    reason: str | None


class Notifications(BaseModel):
    """At most one of each kind."""

    notifications: list[NotificationOut]


@router.get("")
async def list_notifications(
    order_id: Annotated[UUID, Query()], customer: Customer, session: QuerySession
) -> Notifications:
    """The mails about an order of the caller."""
    query = select(Notification).where(Notification.order_id == order_id, Notification.customer == customer)
    found = (await session.scalars(query.order_by(Notification.kind))).all()
    return Notifications(notifications=[NotificationOut.model_validate(row) for row in found])
