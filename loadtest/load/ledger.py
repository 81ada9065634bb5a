"""What one generator process keeps: its files, its metrics, and the last second's figures."""

import os
import time
from collections import Counter, deque
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client import Gauge

from load.record import REQUESTS, SECONDS, TOLD, Lines, Request, Second
from load.statistics import percentile
from meters.load import LoadMeter, Result
from verify.told import Recorder

SHOWN_SECONDS = 5.0


class Ledger:
    """Counts, writes and shows."""

    def __init__(self, directory: Path) -> None:
        self.recorder = Recorder(directory / TOLD)
        self.meter = LoadMeter()
        self.answers: Counter[Result] = Counter()
        self.due = self.dropped = self.in_flight = 0
        self._requests = Lines(directory / REQUESTS, Request)
        self._seconds = Lines(directory / SECONDS, Second)
        self._lag = 0.0
        self._last = (0, 0, time.perf_counter(), sum(os.times()[:2]))
        self._recent: deque[tuple[float, float]] = deque()
        registry = self.meter.registry
        self._target = Gauge(
            "loadtest_target_arrivals_per_second", "Visitors a second that the profile asks for now.", registry=registry
        )
        self._lag_gauge = Gauge(
            "loadtest_dispatch_lag_seconds",
            "How late the latest visitor of the last second was let in by the generator itself.",
            registry=registry,
        )
        self._cpu = Gauge(
            "loadtest_generator_cpu_ratio", "Share of one core that the generator uses.", registry=registry
        )

    def arrived(self, lag: float) -> None:
        """A visitor was due, so many seconds ago, and is let in."""
        self.due += 1
        self.in_flight += 1
        self._lag = max(self._lag, lag)

    def drop(self) -> None:
        """A visitor was due, and cannot be let in."""
        self.due += 1
        self.dropped += 1
        self.meter.drop()

    def left(self) -> None:
        """A visitor is done."""
        self.in_flight -= 1

    def answered(self, request: Request, result: Result) -> None:
        """A request has its answer, or never will."""
        self._requests.add(request)
        self.answers[result] += 1
        self._recent.append((time.perf_counter(), request.seconds))
        self.meter.done(result, request.seconds)

    def tick(self, at: float, target: float) -> Second:
        """Once a second: write and show what it was like."""
        due, dropped, then, cpu = self._last
        now, used = time.perf_counter(), sum(os.times()[:2])
        second = Second(
            at, self.due - due, self.dropped - dropped, self.in_flight, self._lag, (used - cpu) / (now - then)
        )
        self._last, self._lag = (self.due, self.dropped, now, used), 0.0
        self._seconds.add(second)
        self._requests.flush()
        self._seconds.flush()
        self._target.set(target)
        self._lag_gauge.set(second.lag)
        self._cpu.set(second.cpu)
        return second

    def line(self, second: Second) -> str:
        """The last seconds for a terminal."""
        while self._recent and self._recent[0][0] < time.perf_counter() - SHOWN_SECONDS:
            self._recent.popleft()
        recent = [seconds for _, seconds in self._recent]
        shown = ", ".join(f"p{q} {1000 * percentile(recent, q):.0f}" for q in (50, 95, 99)) if recent else "none"
        answers = ", ".join(f"{count} {result}" for result, count in self.answers.items())
        return (
            f"{second.at:5.0f} s  {second.due:4} visitors/s  {len(recent) / SHOWN_SECONDS:5.0f} answers/s"
            f"  ms {shown}  under way {second.in_flight}  dropped {self.dropped}  cpu {second.cpu:.0%}  ({answers})"
        )

    def __enter__(self) -> Self:
        """Open since it was made."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the files."""
        for file in (self._requests, self._seconds, self.recorder):
            file.__exit__(kind, error, trace)
