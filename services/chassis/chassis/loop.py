"""A step done again and again: woken by its own process, paced by a clock, never stopped by an error."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable

from chassis import cancellation
from chassis.logging import get_logger
from chassis.pace import Pace

BACKOFF_BASE_SECONDS, BACKOFF_CAP_SECONDS = 0.1, 5.0


def jittered(attempt: int, base_seconds: float, cap_seconds: float) -> float:
    """Full jitter: anything up to `base * 2^attempt`, capped (Brooker, *Exponential Backoff And Jitter*, 2015)."""
    ceiling = min(cap_seconds, base_seconds * 2 ** min(attempt, 32))
    return random.uniform(0, ceiling)  # noqa: S311  jitter, not cryptography


class Loop:
    """Calls `step()` when woken and at least every `pace_seconds`.

    A step answers what share it did of what it could have done at once. After all of it (1) the next begins at once;
    others are kept `apart_seconds` from each other (`Pace`), so that under load each finds a larger batch.

    A step that raises is logged and tried again after a jittered, growing pause. `stop` lets the running step end.
    """

    def __init__(
        self, name: str, step: Callable[[], Awaitable[float | None]], pace_seconds: float, *, apart_seconds: float = 0.0
    ) -> None:
        self.name = name
        self._step = step
        self._pace_seconds = pace_seconds
        self._pace = Pace(apart_seconds)
        self._woken = asyncio.Event()
        self._stopping = False
        self._failures = 0
        self.ended = asyncio.Event()
        self.ended.set()

    def wake(self) -> None:
        """Do the next step now."""
        self._woken.set()

    def stop(self) -> None:
        """End after the step that is running."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Step until stopped."""
        self.ended.clear()
        while not self._stopping:
            await self._pace.keep()
            self._woken.clear()
            filled = await self._once()
            self._pace.end(filled)
            if filled < 1 and not self._stopping:
                await self._rest()
        self.ended.set()

    async def _once(self) -> float:
        try:
            filled = await self._step()
        except (Exception, asyncio.CancelledError) as error:  # a loop outlives whatever its step meets
            if isinstance(error, asyncio.CancelledError) and cancellation.is_ours():
                raise
            self._failures += 1
            get_logger().warning(f"{self.name} failed, will try again", error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(jittered(self._failures, BACKOFF_BASE_SECONDS, BACKOFF_CAP_SECONDS))
            return 1
        self._failures = 0
        return filled or 0

    async def _rest(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pace_seconds):
                await self._woken.wait()
