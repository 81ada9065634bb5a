"""Who is let in: customers who do not ask too often, and orders only while what was accepted before gets on its way.

Both before any work is done. How much work there may be at once is the adaptive limit's concern (`shedding`).
"""

import math
from collections.abc import Callable

from chassis import metrics
from chassis.errors import RETRY_AFTER_SECONDS, ProblemError
from chassis.throttle import Throttle


class Admission:
    """`backlog_seconds()` tells how old the oldest event is that could be published and is not."""

    def __init__(self, throttle: Throttle, backlog_seconds: Callable[[], float], most_backlog_seconds: float) -> None:
        self._throttle = throttle
        self._backlog_seconds = backlog_seconds
        self._most_backlog_seconds = most_backlog_seconds

    async def admit(self, customer: str, *, more_work: bool) -> None:
        """Let this request in. `more_work` says that it begins something. Raises `ProblemError` (429, 503)."""
        if wait := await self._throttle.wait_seconds(customer):
            metrics.REFUSED_TOTAL.labels("rate").inc()
            raise ProblemError(
                429, "you ask too often; wait, then try again", headers={"Retry-After": str(math.ceil(wait))}
            )
        if more_work and self._backlog_seconds() > self._most_backlog_seconds:
            metrics.REFUSED_TOTAL.labels("backlog").inc()
            raise ProblemError(
                503,
                "what was accepted before is not on its way yet; try again",
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            )
