"""Orders that nobody paid in time give their stock back."""

from sqlalchemy import func, select

from chassis import spans
from chassis.db import Cause, Database
from chassis.outbox import emit, traces_begun
from order.events import OrderCancelled
from order.models import Order

BATCH = 50
PACE_SECONDS = 1.0


async def expire_orders(database: Database) -> bool:
    """Cancel overdue orders; rows that another replica or a handler holds are left to it. Returns whether to go on."""
    overdue = select(Order).where(Order.status == "pending", Order.expires_at <= func.now())
    async with database.transaction("sweeper") as session:
        query = overdue.order_by(Order.id).limit(BATCH).with_for_update(skip_locked=True)
        orders = (await session.scalars(query)).all()
        begun = await traces_begun(session, [order.id for order in orders])
        for order in orders:
            session.cause = Cause.new()
            with spans.overdue("expire order", order.id, begun.get(order.id)):
                if order.cancel(session, "deadline", "expired"):
                    emit(session, order, OrderCancelled.of(order))
    return len(orders) == BATCH
