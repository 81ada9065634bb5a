"""Steps kept apart under load: who waits a little finds a larger batch, and what a step costs is mostly per step."""

import asyncio
import time
from collections.abc import Callable

REST_SHARE = 5.0  # of what the last step took: on a busy machine steps take long, and batches should grow
LONGEST_REST_SECONDS = 0.5


class Pace:
    """Two steps begin at least `apart_seconds` after each other; the first one after a pause begins at once.

    A step is followed by a rest in proportion to its length, so that a machine with too much to do gets more done per
    step, instead of more steps; and in proportion to the room it had left, because a full one gains nothing by waiting.
    Where nothing is to be kept apart there is no rest.
    """

    def __init__(self, apart_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._apart_seconds = apart_seconds
        self._clock = clock
        self._began = self._next = clock()

    @property
    def pause_seconds(self) -> float:
        """How long to wait before the next step begins; not above 0 where it may begin now."""
        return self._next - self._clock()

    def begin(self) -> None:
        """A step begins."""
        self._began = self._clock()
        self._next = self._began + self._apart_seconds

    def end(self, filled: float = 0.0) -> None:
        """It has ended, and did this share of what it could have done at once."""
        if filled >= 1:
            self._next = self._began
        elif self._apart_seconds:
            now = self._clock()
            rest = REST_SHARE * (1 - filled) * (now - self._began)
            self._next = max(self._next, now + min(LONGEST_REST_SECONDS, rest))

    async def keep(self) -> None:
        """Wait until the next step may begin, and begin it."""
        if (pause := self.pause_seconds) > 0:
            await asyncio.sleep(pause)
        self.begin()
