"""The adaptive concurrency limit: what cannot be answered in time is refused at once, before any work is done.

How many requests a process can usefully have under way is found by trying: as long as answers take less than the
target the limit grows, when they take longer it shrinks (additive increase, multiplicative decrease, as TCP does; Chiu
and Jain, 1989). Reading gives way first: the last fifth of the places is for placing and cancelling.
"""

import time
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from chassis import metrics
from chassis.errors import RETRY_AFTER_SECONDS, problem

FLOOR, START, CEILING = 64, 256, 1024
STEP = 16
SHRINK = 0.9
WINDOW_SECONDS = 1.0
BUSY_SHARE = 0.5  # a limit that nobody comes near says nothing about what would be possible
READING_SHARE = 0.8
READING = ("GET", "HEAD")

BUSY = problem(
    503,
    "the service has more to do than it can do in time; try again",
    headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
)


class AdaptiveLimit:
    """How many requests may be under way. `target_seconds` is what an answer may take on average."""

    def __init__(self, target_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = float(START)
        self.under_way = 0
        self._target_seconds = target_seconds
        self._clock = clock
        self._since, self._answers, self._seconds, self._most = clock(), 0, 0.0, 0

    def begin(self, *, reading: bool) -> bool:
        """Whether one more may begin; then it must `end`."""
        if self.under_way >= self.limit * (READING_SHARE if reading else 1):
            return False
        self.under_way += 1
        self._most = max(self._most, self.under_way)
        return True

    def end(self, began: float) -> None:
        """One is answered; `began` is when it did, by the same clock."""
        self.under_way -= 1
        now = self._clock()
        self._answers += 1
        self._seconds += now - began
        if now - self._since >= WINDOW_SECONDS:
            self._adapt()

    def _adapt(self) -> None:
        if self._seconds / self._answers > self._target_seconds:
            self.limit = max(FLOOR, self.limit * SHRINK)
        elif self._most >= self.limit * BUSY_SHARE:
            self.limit = min(CEILING, self.limit + STEP)
        metrics.CONCURRENCY_LIMIT.set(self.limit)
        self._forget()

    def _forget(self) -> None:
        self._since, self._answers, self._seconds, self._most = self._clock(), 0, 0.0, self.under_way


class Shedding:
    """Answers 503 above the limit, before the request's body is read. What is refused is no answer to learn from."""

    def __init__(self, app: ASGIApp, target_seconds: float) -> None:
        self._app = app
        self._limit = AdaptiveLimit(target_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on or refuse."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if not self._limit.begin(reading=scope["method"] in READING):
            metrics.REFUSED_TOTAL.labels("overload").inc()
            return await BUSY(scope, receive, send)
        began = time.monotonic()
        try:
            return await self._app(scope, receive, send)
        finally:
            self._limit.end(began)
