"""The bulkhead: a dependency that hangs takes so many of our calls with it, and not one more.

A bounded number runs, a bounded number waits in order of arrival, the rest is refused at once. After Nygard, *Release
It!* (2007).
"""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis import metrics
from chassis.resilience.errors import FullError


class Bulkhead:
    """At most `limit` at a time, at most `queue` waiting."""

    def __init__(self, name: str, limit: int, queue: int) -> None:
        self.name = name
        self.limit = limit
        self.queue = queue
        self.in_use = self.waiting = 0
        self._slots = asyncio.Semaphore(limit)
        metrics.BULKHEAD_LIMIT.labels(name).set(limit)
        metrics.BULKHEAD_IN_USE.labels(name).set_function(lambda: self.in_use)
        metrics.BULKHEAD_WAITING.labels(name).set_function(lambda: self.waiting)

    @asynccontextmanager
    async def slot(self, until: float = math.inf) -> AsyncIterator[None]:
        """One place, for the block; waited for until then (loop time).

        Raises `FullError` where even the queue is full, or no place was free in time.
        """
        await self._take(until)
        try:
            yield
        finally:
            self._slots.release()
            self.in_use -= 1

    async def _take(self, until: float) -> None:
        if not self._slots.locked():
            await self._slots.acquire()  # at once
        elif self.waiting < self.queue:
            await self._wait(until)
        else:
            raise self._full()
        self.in_use += 1

    async def _wait(self, until: float) -> None:
        self.waiting += 1
        try:
            async with asyncio.timeout_at(until):
                await self._slots.acquire()
        except TimeoutError:
            raise self._full() from None
        finally:
            self.waiting -= 1

    def _full(self) -> FullError:
        metrics.GUARDED_CALLS_TOTAL.labels(self.name, "full").inc()
        return FullError(f"{self.name} has {self.in_use} calls under way and {self.waiting} waiting")
