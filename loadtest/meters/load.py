"""A load generator's own numbers, as a customer sees them.

A request's time begins when it was due, not when it was sent: a generator that waits for a slow server would else leave
out the very requests that the server made wait (Tene, *How NOT to Measure Latency*, 2015).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, start_http_server

Result = Literal["ok", "rejected", "refused", "failed", "timeout"]
RESULTS: tuple[Result, ...] = ("ok", "rejected", "refused", "failed", "timeout")
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # the services' own, to compare


class LoadMeter:
    """One generator's metrics, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's own
        registry = self.registry = CollectorRegistry()
        self._offered = Counter("loadtest_requests_offered_total", "Requests that were due.", registry=registry)
        self._dropped = Counter(
            "loadtest_requests_dropped_total",
            "Requests that were due and not sent, because the generator itself could not keep up.",
            registry=registry,
        )
        self._answers = Counter(
            "loadtest_requests_total",
            "Requests sent, by what came back (ok; rejected: the customer's fault; refused: 429 or 503; failed: another"
            " 5xx; timeout: nothing).",
            ("result",),
            registry=registry,
        )
        self._duration = Histogram(
            "loadtest_request_duration_seconds",
            "Time from when a request was due until its answer.",
            buckets=BUCKETS,
            registry=registry,
        )
        self._active = Gauge("loadtest_active_requests", "Requests that wait for their answer.", registry=registry)
        for result in RESULTS:
            self._answers.labels(result)

    @contextmanager
    def serve(self, port: int, host: str = "127.0.0.1") -> Iterator[None]:
        """Inside, Prometheus can ask."""
        server, thread = start_http_server(port, host, self.registry)
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def due(self) -> None:
        """A request is due, and sent."""
        self._offered.inc()
        self._active.inc()

    def drop(self) -> None:
        """A request is due, and not sent."""
        self._offered.inc()
        self._dropped.inc()

    def done(self, result: Result, seconds: float) -> None:
        """It has its answer, so long after it was due."""
        self._active.dec()
        self._answers.labels(result).inc()
        self._duration.observe(seconds)


def result_of(status: int | None) -> Result:
    """What an HTTP status, or its absence, counts as."""
    if status is None:
        return "timeout"
    if status in (429, 503):
        return "refused"
    if status >= 500:
        return "failed"
    return "ok" if status < 400 else "rejected"
