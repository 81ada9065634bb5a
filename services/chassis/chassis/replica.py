"""Whether the replica can be read: a heartbeat on the primary, and how old the one is that the replica shows.

The row is written once a second by whichever instance comes first, so that a replica that stands still can be told from
a primary that nobody writes to. Both stamps are the primary's clock.
"""

import asyncio
import time
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, text

from chassis import metrics
from chassis.connect import role_of
from chassis.db import Database, unavailable
from chassis.logging import get_logger
from chassis.loop import Loop

BEAT_SECONDS = 1.0
ANSWER_SECONDS = 1.0
MAX_LAG_SECONDS = 5.0  # beyond this the replica is not read, token or not

# Of several instances that want to beat, one does; nobody waits for it, and it does not wait for the standby.
BEAT = text("""
    WITH due AS (
        SELECT id FROM heartbeat, set_config('synchronous_commit', 'off', true)
        WHERE at < clock_timestamp() - make_interval(secs => :seconds) FOR UPDATE OF heartbeat SKIP LOCKED
    )
    UPDATE heartbeat SET at = clock_timestamp() FROM due WHERE heartbeat.id = due.id
""")
# Where each node has come to: the primary by writing, the replica by replaying.
SHOWN = text("""
    SELECT at, pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                                    ELSE pg_current_wal_lsn() END, '0/0') AS position
    FROM heartbeat
""")


class Replica:
    """What is known of the replica, a beat old at most; `fault` is why not to read it now, `None` when it is well."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._suspected = 0.0
        self.fault: str | None = None
        self.watching = Loop("replica watch", self._watch, BEAT_SECONDS)

    def suspect(self) -> None:
        """A query on it failed: leave it alone until it is seen to answer again."""
        self._suspected = time.monotonic()
        self._judge("failed")

    async def _watch(self) -> None:
        began = time.monotonic()
        beaten = await self._beat()
        shown, fault = await self._look()
        if fault is None and beaten is not None and shown is not None:
            lag = max(timedelta(0), beaten.at - shown.at).total_seconds()
            metrics.REPLICA_LAG.set(lag)
            metrics.REPLICA_LAG_BYTES.set(max(0, beaten.position - shown.position))
            fault = "lagging" if lag > MAX_LAG_SECONDS else None
        if fault is not None or self._suspected < began:
            self._judge(fault)

    def _judge(self, fault: str | None) -> None:
        if fault != self.fault:
            get_logger().info("the replica is read" if fault is None else "the replica is not read", reason=fault)
        self.fault = fault
        metrics.REPLICA_USABLE.set(fault is None)

    async def _beat(self) -> Row[Any] | None:
        """The primary's last heartbeat and position, before it is written anew; `None` while there is no primary."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._database.transaction("heartbeat") as session:
                shown = (await session.execute(SHOWN)).one_or_none()
                await session.execute(BEAT, {"seconds": 0.9 * BEAT_SECONDS})
                return shown
        except Exception as error:
            if isinstance(error, TimeoutError) or unavailable(error):
                return None  # reads go on; whoever writes will notice
            raise

    async def _look(self) -> tuple[Row[Any] | None, str | None]:
        """The heartbeat as the replica has it, or why there is none."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._database.query("replica") as session:
                driver = (await (await session.connection()).get_raw_connection()).driver_connection
                if role_of(driver) == "primary":
                    return None, "away"
                return (await session.execute(SHOWN)).one_or_none(), None
        except Exception as error:
            if isinstance(error, TimeoutError) or unavailable(error):
                return None, "away"
            raise
