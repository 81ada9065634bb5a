"""What stands between a caller and something that may fail: time limit, retry budget, circuit breaker, bulkhead.

One `Guard` per dependency puts them together. Which values each has: docs/architecture/resilience.md.
"""

from chassis.resilience.breaker import Breaker, State
from chassis.resilience.bulkhead import Bulkhead
from chassis.resilience.errors import FullError, OpenError, RefusedError
from chassis.resilience.guard import Guard
from chassis.resilience.policy import BreakerPolicy, Policy

__all__ = [
    "Breaker",
    "BreakerPolicy",
    "Bulkhead",
    "FullError",
    "Guard",
    "OpenError",
    "Policy",
    "RefusedError",
    "State",
]
