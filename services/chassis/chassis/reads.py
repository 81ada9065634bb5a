"""Queries: from the replica where it has come far enough for the asker, else from the primary; counted by reason.

A query is an attempt, as a command is: one that the replica fails or answers too late is made again on the primary, so
that a replica that dies costs time and no errors.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeVar

from chassis import metrics
from chassis.connect import NoNodeError, role_of
from chassis.consistency import ANYTHING, PRIMARY_ONLY, replayed
from chassis.db import Database, retrying, transient
from chassis.replica import Replica
from chassis.session import Session

REPLICA_SECONDS = 1.0  # of a query on the replica, before it is made again on the primary
WAIT_SECONDS = 0.01  # for the replica to come as far as a token wants it
POLL_SECONDS = 0.001

ServedBy = Literal["cache", "replica", "primary"]
T = TypeVar("T")


class SlowReplicaError(NoNodeError):
    """The replica did not answer in time."""


class Reading:
    """One attempt at a query that must see the log up to `need`; `served_by` is known once it was answered."""

    def __init__(self, database: Database, need: int, fault: str | None, deadline: asyncio.Timeout) -> None:
        self.need = need
        self.served_by: ServedBy | None = None
        self._database = database
        self._fault = "token" if need == PRIMARY_ONLY else fault
        self._deadline = deadline

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A reading session, on the replica if that will do."""
        reason = self._fault
        if reason is None:
            self._deadline.reschedule(asyncio.get_running_loop().time() + REPLICA_SECONDS)
            self.served_by = "replica"
            async with self._database.query("replica") as session:
                reason = await self._unfit(session)
                if reason is None:
                    metrics.QUERIES_TOTAL.labels("replica", "replica", "").inc()
                    yield session
                    return
            self._deadline.reschedule(None)
        async with self._on_primary("replica", reason) as session:
            yield session

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[Session]:
        """A reading session on the primary, for what must be true this moment."""
        async with self._on_primary("primary", "fresh") as session:
            yield session

    @asynccontextmanager
    async def _on_primary(self, intent: str, reason: str) -> AsyncIterator[Session]:
        self.served_by = "primary"
        metrics.QUERIES_TOTAL.labels("primary", intent, reason).inc()
        async with self._database.query("api") as session:
            yield session

    async def _unfit(self, session: Session) -> str | None:
        """Why this session of the read pool will not do. It has not begun its transaction yet."""
        driver = await driver_of(session)
        if role_of(driver) == "primary":
            return "away"  # the pool found no replica
        if self.need == ANYTHING:
            return None
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
        while await replayed(driver) < self.need:
            if asyncio.get_running_loop().time() >= deadline:
                return "behind"
            await asyncio.sleep(POLL_SECONDS)
        return None


class Reads:
    """Makes attempts at queries."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.replica = Replica(database)

    async def run(self, need: int, query: Callable[[Reading], Awaitable[T]]) -> T:
        """What `query` gives; made again on the primary, as a whole, for as long as a failover takes."""
        try:
            return await self._attempt(need, self.replica.fault, query)
        except Exception as error:
            if not transient(error):
                raise
        async for attempt in retrying():
            with attempt:
                return await self._attempt(need, "failed", query)
        raise AssertionError("retrying() returns or raises")

    async def _attempt(self, need: int, fault: str | None, query: Callable[[Reading], Awaitable[T]]) -> T:
        deadline = asyncio.timeout(None)
        reading = Reading(self.database, need, fault, deadline)
        try:
            async with deadline:
                return await query(reading)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            self.replica.suspect()
            raise SlowReplicaError(f"the replica took longer than {REPLICA_SECONDS:g} s") from error
        except Exception as error:
            if reading.served_by == "replica" and transient(error):
                self.replica.suspect()
            raise


async def driver_of(session: Session) -> Any:
    """The driver's own connection, to speak outside of the session's transaction, before it begins."""
    return (await (await session.connection()).get_raw_connection()).driver_connection
