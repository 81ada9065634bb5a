"""Rest: nothing is on its way any more, so that what is missing now is lost.

Two equal samples a second apart of: no message ready or unacknowledged, outboxes and effects empty, no order pending.
One part of a sample can be stale, the count of unacknowledged messages (see `broker`). It is believed when the
databases confirm it, every event having reached every subscriber; while one has not, the sample must stay the same for
as long as the statistics can be old.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from verify.broker import STATISTICS_AGE_SECONDS, Broker, Depths
from verify.database import Node, from_each, kept_since
from verify.report import Result
from verify.subscriptions import Subscribers

INTERVAL_SECONDS = 1.0
ENOUGH_SECONDS = 2 * STATISTICS_AGE_SECONDS  # what is quiet is looked at again, however short the wait

OPEN = """
    SELECT (SELECT count(*) FROM outbox WHERE published_at IS NULL) AS outbox,
           (SELECT count(*) FROM effects WHERE done_at IS NULL) AS effects
"""
PENDING = "SELECT count(*) FROM orders WHERE status = 'pending'"
PUBLISHED = "SELECT type, count(*) FROM outbox WHERE id >= $1 GROUP BY type"
RECEIVED = "SELECT type, count(*), sum(seen) AS seen FROM inbox WHERE id >= $1 GROUP BY type"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Sample:
    """What was on its way at one moment. `deliveries` and `undelivered` count events, once for each subscriber."""

    pending: int
    outbox: int
    effects: int
    depths: Depths
    published: int
    deliveries: int
    undelivered: int

    @property
    def quiet(self) -> bool:
        """Whether nothing is known to be on its way."""
        return not (self.pending or self.outbox or self.effects or self.depths.waiting)

    @property
    def waiting_for(self) -> str:
        """What is on its way, in words."""
        parts = {
            "pending orders": self.pending,
            "events in outboxes": self.outbox,
            "open effects": self.effects,
            "messages in queues": self.depths.waiting,
            "missing deliveries": self.undelivered,
        }
        return ", ".join(f"{what}: {count:,}" for what, count in parts.items() if count) or "a second equal sample"


class Sampler:
    """Takes samples."""

    def __init__(self, primary: Node, broker: Broker, subscribers: Subscribers) -> None:
        self._primary = primary
        self._broker = broker
        self._subscribers = subscribers

    async def sample(self) -> Sample:
        """What is on its way now. Queues are read last: what leaves an outbox meanwhile is seen there."""
        counts = await from_each(self._primary, OPEN)
        pending = await self._primary["order"].fetchval(PENDING)
        published, deliveries, undelivered = await self._deliveries()
        return Sample(
            pending=pending,
            outbox=sum(rows[0]["outbox"] for rows in counts.values()),
            effects=sum(rows[0]["effects"] for rows in counts.values()),
            depths=await self._broker.depths(),
            published=published,
            deliveries=deliveries,
            undelivered=undelivered,
        )

    async def _deliveries(self) -> tuple[int, int, int]:
        """Events published; deliveries of them, repeated ones too; and how many are missing."""
        since = await kept_since(self._primary)
        outboxes = await from_each(self._primary, PUBLISHED, since)
        inboxes = await from_each(self._primary, RECEIVED, since)
        received = {(service, row["type"]): row["count"] for service, rows in inboxes.items() for row in rows}
        undelivered = 0
        for publisher, rows in outboxes.items():
            for row in rows:
                for listener in self._subscribers[publisher].get(row["type"], ()):
                    undelivered += max(0, row["count"] - received.get((listener, row["type"]), 0))
        published = sum(row["count"] for rows in outboxes.values() for row in rows)
        return published, sum(row["seen"] for rows in inboxes.values() for row in rows), undelivered


@dataclass(frozen=True)
class Rest:
    """The last sample, and whether it was one of rest."""

    sample: Sample
    reached: bool
    seconds: float

    @property
    def result(self) -> Result:
        """As the first line of the report."""
        counts = {"events": self.sample.published, "deliveries": self.sample.deliveries}
        result = Result(0, "rest", counts, remark=f"after {self.seconds:.1f} s")
        if not self.reached:
            result.blame(f"not reached in {self.seconds:.0f} s, still on the way", [self.sample.waiting_for])
        return result


async def wait(sampler: Sampler, seconds: float, say: Say) -> Rest:
    """Wait for rest, for at most this long; say what is still waited for whenever that changes."""
    started = since = time.monotonic()
    sample, told = await sampler.sample(), ""
    while not (sample.quiet and time.monotonic() - since >= _needed(sample)):
        if time.monotonic() - started > (max(seconds, ENOUGH_SECONDS) if sample.quiet else seconds):
            return Rest(sample, reached=False, seconds=time.monotonic() - started)
        if not sample.quiet and sample.waiting_for != told:
            told = sample.waiting_for
            say(f"waiting for rest: {told}")
        await asyncio.sleep(INTERVAL_SECONDS)
        before, sample = sample, await sampler.sample()
        if sample != before:
            since = time.monotonic()
    return Rest(sample, reached=True, seconds=time.monotonic() - started)


def _needed(sample: Sample) -> float:
    return STATISTICS_AGE_SECONDS if sample.undelivered else INTERVAL_SECONDS
