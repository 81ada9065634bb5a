"""How calls went lately: counts over a sliding window, in slices, so that many calls take no more room than few."""

from collections import deque
from dataclasses import dataclass

SLICES = 10


@dataclass
class Slice:
    """A tenth of the window."""

    since: float
    calls: int = 0
    failed: int = 0
    slow: int = 0


class Window:
    """Counts; what is older than `seconds` (by at most a slice) is forgotten."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._slices: deque[Slice] = deque()

    def add(self, now: float, *, failed: bool, slow: bool) -> None:
        """Count one call."""
        if not self._slices or now - self._slices[-1].since >= self._seconds / SLICES:
            self._slices.append(Slice(now))
        while self._slices[0].since <= now - self._seconds:
            self._slices.popleft()
        current = self._slices[-1]
        current.calls += 1
        current.failed += failed
        current.slow += slow

    def clear(self) -> None:
        """Forget everything."""
        self._slices.clear()

    @property
    def calls(self) -> int:
        """How many there were."""
        return sum(part.calls for part in self._slices)

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return sum(part.failed for part in self._slices)

    @property
    def slow(self) -> int:
        """How many of them were slow."""
        return sum(part.slow for part in self._slices)
