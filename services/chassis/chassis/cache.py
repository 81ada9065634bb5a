"""Cache-aside in Redis: what is asked for often is loaded from the database once per lifetime, however many ask.

Redis away means slower, never wrong. A reader with a consistency token gets nothing older than that, from wherever it
comes; one without gets what was true a moment ago: the change's announcement takes milliseconds.

What makes that so: entries only get newer (`entries`); a load that turns out older than what is known to exist (the
replica lags behind an announcement) is made again on the primary; looks at one key and loads of it are shared within
the process (single flight), but never with a reader who needs more than they see.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from chassis import metrics
from chassis.bloom import Bloom
from chassis.consistency import ANYTHING, PRIMARY_ONLY, replayed
from chassis.db import Session
from chassis.entries import Entries, Entry
from chassis.logging import get_logger
from chassis.reads import Reading, Reads, ServedBy, driver_of
from chassis.redis import Redis, RedisAwayError


@dataclass(frozen=True)
class Row:
    """What is cached of a row: its version, which every change raises, and the body as it is answered."""

    version: int
    body: bytes


@dataclass(frozen=True)
class Cached:
    """A kind of row that is cached. `load` reads one by its key, `keys` lists them all."""

    name: str
    load: Callable[[Session, str], Awaitable[Row | None]]
    keys: Callable[[Session], Awaitable[list[str]]]


@dataclass(frozen=True)
class Found:
    """A row as it was when the log was at `sees`, at least; and who told it."""

    body: bytes | None
    served_by: ServedBy
    sees: int = ANYTHING


class Cache:
    """Reads rows of one kind through Redis."""

    def __init__(self, cached: Cached, redis: Redis, reads: Reads) -> None:
        self.name = cached.name
        self.entries = Entries(redis, cached.name)
        self.bloom = Bloom(redis, cached.name)
        self._cached = cached
        self._reads = reads
        self._looks: dict[str, asyncio.Task[Entry | None]] = {}
        self._flights: dict[str, asyncio.Task[Found]] = {}
        self._filling: asyncio.Task[None] | None = None

    async def read(self, reading: Reading, key: str) -> bytes | None:
        """The body of the row with this key; `None` if there is no such row."""
        found = await self._find(key, reading.need)
        reading.served_by = found.served_by
        return found.body

    async def announce(self, key: str, version: int) -> None:
        """The row has this version now. Raises `RedisAwayError`; then it must be announced again."""
        await self.entries.bury(key, version)
        self._looks.pop(key, None)
        await self.bloom.add(key)

    async def _find(self, key: str, need: int) -> Found:
        try:
            entry = await self._look(key)
            if entry is not None and entry.serves(need):
                self._count("negative" if entry.body is None else "hit")
                return Found(entry.body, "cache")
            if entry is None and need == ANYTHING and await self._cannot_exist(key):
                self._count("absent")
                return Found(None, "cache")
        except RedisAwayError:
            self._count("away")
            return await self._share(key, need, away=True)
        self._count("miss" if entry is None else "replaced" if entry.tombstone else "behind")
        return await self._share(key, need, away=False)

    async def _look(self, key: str) -> Entry | None:
        """What Redis has: asked once for all who want to know at the same moment."""
        look = self._looks.get(key)
        if look is None:
            look = self._looks[key] = asyncio.create_task(self.entries.get(key), name=f"look {self.name}")
            look.add_done_callback(partial(_land, self._looks, key))
        return await asyncio.shield(look)

    async def _cannot_exist(self, key: str) -> bool:
        may_exist = await self.bloom.look(key)
        if may_exist is None and (self._filling is None or self._filling.done()):
            self._filling = asyncio.create_task(self._fill())
        return may_exist is False

    async def _share(self, key: str, need: int, *, away: bool) -> Found:
        """Load it, or wait for somebody who does and sees enough."""
        if need == PRIMARY_ONLY:
            return await self._load(key, need, away=away)  # whatever began before will not do
        begun_later = False
        while (flight := self._flights.get(key)) is not None and not flight.done():
            found = await asyncio.shield(flight)
            if found.sees >= need or (begun_later and found.served_by == "primary"):
                return found
            begun_later = True  # the next one, than when we came; and what we have written the primary has seen by then
        flight = asyncio.create_task(self._load(key, need, away=away), name=f"load {self.name}")
        self._flights[key] = flight
        flight.add_done_callback(partial(_land, self._flights, key))
        return await asyncio.shield(flight)

    async def _load(self, key: str, need: int, *, away: bool) -> Found:
        """From the database, and into Redis, unless that is away.

        What is known to be out of date is not answered: the replica has not seen the change, so the primary is asked.
        """
        if away:
            entry, served_by = await self._query(key, need)
            return Found(entry.body, served_by, entry.position)
        try:
            known = await self.entries.get(key)
            if known is not None and known.serves(need):
                return Found(known.body, "cache", known.position)  # somebody was faster
        except RedisAwayError:
            return await self._load(key, need, away=True)
        entry, served_by = await self._query(key, need)
        if known is not None and entry.version < known.version:
            entry, served_by = await self._query(key, PRIMARY_ONLY)
        try:
            newer = await self.entries.put(key, entry)
            if newer is not None and newer.tombstone:
                entry, served_by = await self._query(key, PRIMARY_ONLY)
                await self.entries.put(key, entry)
            elif newer is not None:
                return Found(newer.body, "cache", entry.position)
        except RedisAwayError as error:
            get_logger().info("an entry was not cached", cache=self.name, reason=str(error))
        return Found(entry.body, served_by, entry.position)

    async def _query(self, key: str, need: int) -> tuple[Entry, ServedBy]:
        with metrics.CACHE_LOAD_DURATION.labels(self.name).time():
            return await self._reads.run(need, lambda reading: self._read(reading, key))

    async def _read(self, reading: Reading, key: str) -> tuple[Entry, ServedBy]:
        async with reading.session() as session:
            position = await replayed(await driver_of(session))
            row = await self._cached.load(session, key)
        assert reading.served_by is not None
        if reading.served_by == "primary":
            # A commit that waits for the standby is in the log and not yet to be seen; its token may be this position.
            position -= 1
        return Entry(row.version, position, row.body) if row else Entry(0, position), reading.served_by

    async def _fill(self) -> None:
        try:
            began = time.monotonic()
            if await self.bloom.fill(self._read_keys):
                seconds = round(time.monotonic() - began, 3)
                get_logger().info("the Bloom filter is filled", cache=self.name, seconds=seconds)
        except Exception as error:  # noqa: BLE001  until it is filled, made-up keys cost a query: nothing worse
            get_logger().warning("the Bloom filter could not be filled", cache=self.name, error=repr(error))

    async def _read_keys(self) -> list[str]:
        """From the primary: the replica may lack what has been announced already."""

        async def query(reading: Reading) -> list[str]:
            async with reading.session() as session:
                return await self._cached.keys(session)

        return await self._reads.run(PRIMARY_ONLY, query)

    def _count(self, result: str) -> None:
        metrics.CACHE_REQUESTS_TOTAL.labels(self.name, result).inc()


def _land(tasks: dict[str, asyncio.Task[Any]], key: str, done: asyncio.Task[Any]) -> None:
    if tasks.get(key) is done:
        del tasks[key]
    if not done.cancelled():
        done.exception()  # retrieved, also where everybody who waited has gone
