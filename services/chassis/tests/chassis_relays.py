"""What the tests of the relay share: events to publish, a relay at work, and one that is frozen in the middle."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from chassis_kit import Sql, make

from chassis.broker import Publisher
from chassis.db import Database
from chassis.events import Envelope
from chassis.relay import Relay
from chassis.settings import ServiceSettings


class Stuck(Publisher):
    """Stands still at the first event, as a process that is frozen does."""

    def __init__(self, settings: ServiceSettings, vhost: str) -> None:
        super().__init__(settings, vhost)
        self.reached = asyncio.Event()

    async def publish(self, envelope: Envelope, *, mandatory: bool, routing_key: str | None = None) -> None:
        """Never returns."""
        self.reached.set()
        await asyncio.Event().wait()


async def emitting(database: Database, count: int, *, partition: int = 0) -> list[UUID]:
    """New orders, each with one event. Returns their ids."""
    async with database.transaction("http") as session:
        return [make(session, "word", partition=partition).id for _ in range(count)]


async def pending(sql: Sql) -> int:
    """How many events are not flagged as published."""
    count: int = await sql.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL")
    return count


@asynccontextmanager
async def relaying(relay: Relay) -> AsyncIterator[None]:
    """The relay at work for as long as the block lasts."""
    running = asyncio.create_task(relay.loop.run())
    try:
        yield
    finally:
        relay.loop.stop()
        await running
