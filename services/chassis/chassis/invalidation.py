"""Invalidation: a change is written down in its own transaction, and the caches are told until they know.

The same idea as the outbox: whoever commits a change and dies before telling the cache has left a row behind, which
another instance finds. It is not an event in the outbox because nobody but the service's own cache wants to know, and
because the age of the outbox, by which the service sheds load, must not grow when only Redis is away.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import text

from chassis import metrics
from chassis.cache import Cache
from chassis.db import Database, Session
from chassis.loop import Loop

POLL_SECONDS = 0.5  # only for what another process committed and did not live to announce
BATCH = 100
CHANGED = "changed"

NOTE = text("""
    INSERT INTO invalidations (cache, key, version) VALUES (:cache, :key, :version)
    ON CONFLICT (cache, key) DO UPDATE SET version = excluded.version, created_at = excluded.created_at
""")
NOTED = text("SELECT cache, key, version, created_at FROM invalidations ORDER BY created_at LIMIT :batch")
# One that is lost in a failover is announced twice: it need not wait for the standby.
TOLD = text("""
    DELETE FROM invalidations AS noted USING set_config('synchronous_commit', 'off', true),
        unnest(CAST(:caches AS text[]), CAST(:keys AS text[]), CAST(:versions AS bigint[]))
            AS told (cache, key, version)
    WHERE noted.cache = told.cache AND noted.key = told.key AND noted.version = told.version
""")


async def invalidate(session: Session, cache: str, key: str, version: int) -> None:
    """The row with this key has this version from the commit on; the transaction holds its lock, so versions grow."""
    await session.execute(NOTE, {"cache": cache, "key": key, "version": version})
    session.info[CHANGED] = True


class Announcer:
    """Tells a service's caches what was changed."""

    def __init__(self, database: Database, caches: Mapping[str, Cache]) -> None:
        self._database = database
        self._caches = caches
        self.announcing = Loop("announcing to the cache", self.announce, POLL_SECONDS)
        self.loops = [self.announcing] if caches else []
        database.listeners.append(self._wake)

    def _wake(self, session: Session) -> None:
        if session.info.get(CHANGED):
            self.announcing.wake()

    async def announce(self) -> bool:
        """Tell what is noted. Returns whether there may be more; raises `RedisAwayError`, and nothing is forgotten."""
        async with self._database.query("primary") as session:
            rows = (await session.execute(NOTED, {"batch": BATCH})).all()
        for row in rows:
            await self._caches[row.cache].announce(row.key, row.version)
            age = datetime.now(UTC) - row.created_at
            metrics.CACHE_INVALIDATION_AGE.labels(row.cache).observe(max(0.0, age.total_seconds()))
        if rows:
            columns = {f"{name}s": [getattr(row, name) for row in rows] for name in ("cache", "key", "version")}
            async with self._database.transaction("announcer") as session:
                await session.execute(TOLD, columns)
        return len(rows) == BATCH
