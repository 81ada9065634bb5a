"""Which alerts Prometheus has seen firing, and when they are over."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress

from observe.preview import PreviewError, Prometheus

POLL_SECONDS = 1.0
PATIENCE_SECONDS = 300.0  # twice what a lab alert needs on a quiet machine: a busy one may take its time


class Alarms:
    """Polls Prometheus' API. `seen` has the name of every alert that fired since."""

    def __init__(self, prometheus: Prometheus) -> None:
        self._prometheus = prometheus
        self.seen: set[str] = set()
        self._firing: set[str] = set()
        self._news = asyncio.Condition()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator["Alarms"]:
        """Inside, it looks."""
        task = asyncio.create_task(self._poll())
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def fire(self, *names: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until each of these has fired. Fails naming those that have not."""
        await self._until(
            lambda: self.seen >= set(names), lambda: f"never fired: {sorted(set(names) - self.seen)}", seconds
        )

    async def end(self, names: Iterable[str], seconds: float = 2 * PATIENCE_SECONDS) -> None:
        """Wait until none of these fires any more. Fails naming those that still do."""
        wanted = set(names)
        await self._until(
            lambda: not self._firing & wanted, lambda: f"still firing: {sorted(self._firing & wanted)}", seconds
        )

    async def _until(self, done: Callable[[], bool], complaint: Callable[[], str], seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(done)
        except TimeoutError:
            raise AssertionError(complaint()) from None

    async def _poll(self) -> None:
        while True:
            with suppress(PreviewError):  # busy; the next look will tell
                found = await asyncio.to_thread(self._prometheus.alerts)
                self._firing = {_name(alert["labels"]) for alert in found if alert["state"] == "firing"}
                self.seen |= self._firing
                async with self._news:
                    self._news.notify_all()
            await asyncio.sleep(POLL_SECONDS)


def _name(labels: dict[str, str]) -> str:
    """The lab's alerts end after minutes, those of the same name for longer windows after hours."""
    return f"{labels['alertname']} ({labels['set']})" if "set" in labels else labels["alertname"]
