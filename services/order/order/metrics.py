"""What the shop counts, told by what was committed."""

import json
from itertools import product

from prometheus_client import Counter, Histogram
from sqlalchemy import text

from chassis import saga
from chassis.db import Database
from chassis.outbox import Emission, emitted
from chassis.saga import age_of
from chassis.session import Session

OUTCOMES = ("confirmed", "payment_declined", "provider_unavailable", "expired", "customer_request")
REJECTIONS = ("out_of_stock", "unknown_product", "mixed_currencies", "too_expensive")
FIRST_OUTCOME = 2  # an order's version: it was placed, and now it has its outcome; what comes later undoes that
PACE_SECONDS = 2.0

ACCEPTED_TOTAL = Counter("orders_accepted_total", "Orders promised to a customer.")
REJECTED_TOTAL = Counter("orders_rejected_total", "Orders refused because of what was ordered, by reason.", ("reason",))
COMPLETED_TOTAL = Counter(
    "sagas_completed_total",
    "Orders that got their first outcome: confirmed, or the reason why they were cancelled.",
    ("outcome",),
)
DURATION = Histogram(
    "saga_duration_seconds",
    "Time from placing an order to its first outcome.",
    ("outcome",),
    buckets=saga.SAGA_BUCKETS,
)
TIMELINE_HARVEST = Histogram(
    "timeline_harvest_ratio",
    "Share of the services that a timeline holds the answer of. Its count is the yield: timelines that were answered.",
    buckets=(0.34, 0.67, 1.0),
)
TIMELINE_PARTS_TOTAL = Counter(
    "timeline_parts_total",
    "Parts of timelines, by the service asked and what came of it (answered, late, refused: by our own guard, failed).",
    ("dependency", "result"),
)
WAITING = text("""
    SELECT count(*) FILTER (WHERE expires_at > now()) AS waiting,
           count(*) FILTER (WHERE expires_at <= now()) AS overdue,
           coalesce(extract(epoch FROM now() - min(created_at)), 0) AS age
    FROM orders WHERE status = 'pending'
""")


def preset() -> None:
    """Let everything begin at 0."""
    for reason in REJECTIONS:
        REJECTED_TOTAL.labels(reason)
    for outcome in OUTCOMES:
        COMPLETED_TOTAL.labels(outcome)
        DURATION.labels(outcome)
    for dependency, result in product(("payment", "notification"), ("answered", "late", "refused", "failed")):
        TIMELINE_PARTS_TOTAL.labels(dependency, result)
    for step in ("release_stock", "take_back_stock"):
        saga.COMPENSATIONS_TOTAL.labels(step)


def count(session: Session) -> None:
    """A session's listener: count what this commit has decided."""
    for emission in emitted(session):
        match emission.type:
            case "order.placed.v1":
                ACCEPTED_TOTAL.inc()
            case "order.confirmed.v1":
                _completed(emission, "confirmed")
            case "order.cancelled.v1":
                _cancelled(emission)


def _cancelled(emission: Emission) -> None:
    first = emission.sequence == FIRST_OUTCOME
    saga.COMPENSATIONS_TOTAL.labels("release_stock" if first else "take_back_stock").inc()
    if first:
        _completed(emission, json.loads(emission.data)["reason"])


def _completed(emission: Emission, outcome: str) -> None:
    COMPLETED_TOTAL.labels(outcome).inc()
    DURATION.labels(outcome).observe(age_of(emission.subject))


async def show_waiting(database: Database) -> None:
    """A sweep: how many orders wait for their outcome, and for how long."""
    async with database.query("primary") as session:
        found = (await session.execute(WAITING)).one()
    saga.IN_FLIGHT.labels("waiting").set(found.waiting)
    saga.IN_FLIGHT.labels("overdue").set(found.overdue)
    saga.OLDEST_AGE.set(found.age)
