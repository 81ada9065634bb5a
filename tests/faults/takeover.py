"""When the others took over from a replica, read from the rows they wrote."""

from dataclasses import dataclass
from datetime import datetime

from faults.system import System
from outside.books import PARTITIONS
from outside.waiting import eventually

LATEST_SECONDS = 60.0  # measured until then, so that a failure says how long it took

OWNER = {
    "order": "orders AS owner ON owner.id = subject",
    "payment": "payments AS owner ON owner.id = subject",
    "notification": "(SELECT DISTINCT order_id, partition FROM notifications) AS owner ON order_id = subject",
}
HANDLED = "SELECT partition, min(handled_at) AS at FROM inbox JOIN {owner} WHERE handled_at > $1 GROUP BY 1"
PUBLISHED = "SELECT shard, min(published_at) AS at FROM outbox WHERE published_at > $1 GROUP BY 1"
ORPHANED = """
    SELECT count(*) FILTER (WHERE done_at IS NULL) AS open, max(done_at) AS at
    FROM effects WHERE created_at < $1 AND (done_at IS NULL OR done_at > $1)
"""


@dataclass(frozen=True)
class TakeOver:
    """Seconds from the freeze until the last of four partitions, shards, and the last effect begun before it."""

    partitions: float
    shards: float
    effects: float

    @property
    def slowest(self) -> float:
        """All of it."""
        return max(self.partitions, self.shards, self.effects)


async def measured(system: System, service: str, since: datetime) -> TakeOver:
    """Wait until the others have taken over everything; how long each part took."""
    database = f"{service}s"

    async def all_of(query: str) -> float:
        rows = await eventually(
            lambda: system.books.fetch(database, query, since),
            lambda rows: len(rows) == PARTITIONS,
            seconds=LATEST_SECONDS,
        )
        return float(max((row["at"] - since).total_seconds() for row in rows))

    async def effects() -> float:
        [row] = await eventually(
            lambda: system.books.fetch(database, ORPHANED, since),
            lambda rows: rows[0]["open"] == 0,
            seconds=LATEST_SECONDS,
        )
        return float((row["at"] - since).total_seconds()) if row["at"] else 0.0

    handled = HANDLED.format(owner=OWNER[service])
    return TakeOver(await all_of(handled), await all_of(PUBLISHED), await effects())
