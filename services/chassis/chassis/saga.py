"""How far sagas have come, told by what is emitted: every step is an event, and every event was caused by one.

Ids are UUIDv7, so an event's and an order's carry the time they were made at: no handler has to measure anything.
"""

import time
from uuid import UUID

from prometheus_client import Counter, Gauge, Histogram

from chassis.metrics import child
from chassis.outbox import emitted
from chassis.session import Session

SAGA_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)

STEP_DURATION = Histogram(
    "saga_step_duration_seconds",
    "Time from an event until the event that it caused was committed, by the event that ends the step.",
    ("step",),
    buckets=SAGA_BUCKETS,
)
COMPENSATIONS_TOTAL = Counter(
    "saga_compensations_total",
    "Things done that were undone because a saga did not go through: stock released or taken back, charges voided,"
    " payments refunded.",
    ("step",),
)
IN_FLIGHT = Gauge(
    "sagas_in_flight",
    "Orders that wait for their outcome: in time (waiting), or past their expiry (overdue).",
    ("state",),
)
OLDEST_AGE = Gauge("saga_oldest_age_seconds", "Age of the oldest order that waits for its outcome; 0 when none.")


def count_steps(session: Session) -> None:
    """A session's listener: measure the steps that this commit has ended."""
    for emission in emitted(session):
        if emission.causation_id is not None:
            child(STEP_DURATION, emission.type).observe(age_of(emission.causation_id))


def age_of(id_: UUID) -> float:
    """Seconds since this UUIDv7 was made, to the millisecond."""
    return max(0.0, time.time() - (id_.int >> 80) / 1000)
