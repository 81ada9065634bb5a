"""What a service's database needs now and then: gauges sampled, days made ahead, old days and keys dropped."""

import math
import time
from collections.abc import Sequence

from sqlalchemy import text

from chassis import metrics
from chassis.db import Database
from chassis.logging import get_logger
from chassis.loop import Loop
from chassis.schema import INBOX_RETENTION_DAYS, OUTBOX_RETENTION_DAYS

SAMPLE_SECONDS = 2.0
AWAY_SECONDS = 7.0  # a planned switchover (2 s) and a sample before and after it fit in
FROZEN_SECONDS = 7.0  # nobody who is alive takes this long from "parse" to "execute"
UPKEEP_SECONDS = 3600.0
DAYS_AHEAD = 8
KEY_RETENTION_DAYS = 7
EFFECT_RETENTION_DAYS = 30
SUSPECT_RETENTION_DAYS = 1

SAMPLE = text("""
    SELECT (SELECT count(*) FROM outbox WHERE published_at IS NULL) AS outbox_pending,
           coalesce((SELECT extract(epoch FROM now() - min(created_at)) FROM outbox WHERE published_at IS NULL), 0)
               AS outbox_age,
           coalesce((SELECT extract(epoch FROM now() - min(created_at)) FROM outbox WHERE published_at IS NULL
               AND NOT EXISTS (SELECT FROM outbox_blocked WHERE outbox_blocked.subject = outbox.subject)), 0)
               AS backlog_age,
           (SELECT count(*) FROM outbox_blocked) AS outbox_blocked,
           (SELECT count(*) FROM parked) AS parked,
           (SELECT count(*) FROM quarantine) AS quarantined
""")
EFFECTS = text("""
    SELECT kind, count(*) AS pending, extract(epoch FROM now() - min(created_at)) AS age
    FROM effects WHERE done_at IS NULL GROUP BY kind
""")
# A process that froze between two messages of one statement (the driver flushes after "parse") counts as active:
# idle_in_transaction_session_timeout never ends it, and what it has locked stays locked. So the others end it.
END_FROZEN = text("""
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE usename = current_user AND datname = current_database() AND state = 'active' AND wait_event = 'ClientRead'
      AND state_change < clock_timestamp() - make_interval(secs => :seconds)
""")
MAKE_DAYS = text("SELECT make_days(current_date, :days)")
DROP_DAYS = text("SELECT drop_days(:parent, CAST(current_date - CAST(:days AS int) AS date))")
DROP_KEYS = text("DELETE FROM idempotency WHERE created_at < now() - make_interval(days => :days)")
DROP_SUSPECTS = text("DELETE FROM suspects WHERE tried_at < now() - make_interval(days => :days)")
# What is parked may be replayed after any time, and that is its effect's row.
DROP_EFFECTS = text("""
    DELETE FROM effects WHERE done_at < now() - make_interval(days => :days)
      AND NOT EXISTS (SELECT FROM parked WHERE parked.id = effects.id)
""")


class Upkeep:
    """The two loops; `kinds` of effects are shown.

    `backlog_seconds` is the age of the oldest event that only has to be published, by the last sample.
    """

    def __init__(self, database: Database, kinds: Sequence[str] = ()) -> None:
        self._database = database
        self._kinds = kinds
        self._answered = -math.inf
        self.backlog_seconds = 0.0
        self.sampling = Loop("sample", self._sample, SAMPLE_SECONDS)
        self.keeping = Loop("upkeep", self._keep, UPKEEP_SECONDS)

    @property
    def reachable(self) -> bool:
        """Whether the database has answered lately.

        Not at once unready without it: all replicas would be at the same time, and the edge would refuse commands that
        can wait for the other node to lead.
        """
        return time.monotonic() - self._answered < AWAY_SECONDS

    async def _sample(self) -> None:
        async with self._database.query("primary") as session:
            sample = (await session.execute(SAMPLE)).one()
            found = {row.kind: row for row in await session.execute(EFFECTS)} if self._kinds else {}
            metrics.set_gauges(sample, {kind: found.get(kind) for kind in self._kinds})
            if ended := await session.scalar(END_FROZEN, {"seconds": FROZEN_SECONDS}):
                get_logger().warning("ended sessions of a process that does not go on", sessions=ended)
        self.backlog_seconds = float(sample.backlog_age)
        self._answered = time.monotonic()

    async def _keep(self) -> None:
        """Every replica does this; each statement is harmless when another was first."""
        async with self._database.transaction("upkeep") as session:
            await session.execute(MAKE_DAYS, {"days": DAYS_AHEAD})
            for parent, days in (("outbox", OUTBOX_RETENTION_DAYS), ("inbox", INBOX_RETENTION_DAYS)):
                dropped = await session.scalar(DROP_DAYS, {"parent": parent, "days": days})
                if dropped:
                    get_logger().info("dropped old days", table=parent, days=dropped)
            await session.execute(DROP_KEYS, {"days": KEY_RETENTION_DAYS})
            await session.execute(DROP_SUSPECTS, {"days": SUSPECT_RETENTION_DAYS})
            await session.execute(DROP_EFFECTS, {"days": EFFECT_RETENTION_DAYS})
