"""Watching the databases, as `verifier`: is everything at rest, and when did what happen.

Cheap enough to ask under load: two looks into partial indexes a database, no counting before these are empty.
"""

import asyncio
import time
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import asyncpg

from chassis.events import uuid7
from runtime import Running

DATABASES = ("orders", "payments", "notifications")
POLL_SECONDS = 0.1
LONE_POLL_SECONDS = 0.004
PATIENCE_SECONDS = 60.0

PENDING = "SELECT EXISTS (SELECT FROM orders WHERE status = 'pending')"
UNPUBLISHED = "SELECT EXISTS (SELECT FROM outbox WHERE published_at IS NULL)"
OPEN = "SELECT EXISTS (SELECT FROM effects WHERE done_at IS NULL)"
MOVING = {
    "orders": (PENDING, UNPUBLISHED),
    "payments": (OPEN, UNPUBLISHED),
    "notifications": (OPEN, UNPUBLISHED),
}
# Distinct: an order that is cancelled after it was paid has three mails, and would stand for others that have none yet.
RECORDED = "SELECT count(DISTINCT subject) FROM inbox WHERE id > $1 AND type LIKE 'notification.%'"
DECIDED = "SELECT EXISTS (SELECT FROM orders WHERE id = $1 AND status <> 'pending')"
COMPLETION = """
    SELECT extract(epoch FROM done.created_at - orders.created_at)::float8
    FROM orders JOIN outbox AS done ON done.subject = orders.id
    WHERE orders.id = ANY($1) AND done.type IN ('order.confirmed.v1', 'order.cancelled.v1')
"""
LAST_MAIL = "SELECT max(created_at) FROM outbox WHERE id > $1 AND type LIKE 'notification.%'"


class Watch:
    """Three connections of a reader's."""

    def __init__(self, stack: Running) -> None:
        self._dsn = {database: stack.dsn("verifier", database) for database in DATABASES}
        self._connections: dict[str, asyncpg.Connection[Any]] = {}
        self._since = uuid7()

    async def __aenter__(self) -> Self:
        """Connect."""
        for database, dsn in self._dsn.items():
            self._connections[database] = await asyncpg.connect(dsn)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        for connection in self._connections.values():
            await connection.close()

    def mark(self) -> None:
        """Count from here on."""
        self._since = uuid7()

    async def rest(self, orders: int) -> None:
        """Wait until this many orders since the mark have gone all their way. Raises `SystemExit` if they do not."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not await self._resting(orders):
            if time.monotonic() > deadline:
                raise SystemExit(
                    f"not at rest {PATIENCE_SECONDS:.0f} s after the last order was placed: "
                    "see what waits with: make verify, and the services' logs with: make logs"
                )
            await asyncio.sleep(POLL_SECONDS)

    async def _resting(self, orders: int) -> bool:
        for database, questions in MOVING.items():
            for question in questions:
                if await self._connections[database].fetchval(question):
                    return False
        recorded: int = await self._connections["orders"].fetchval(RECORDED, self._since)
        return recorded >= orders

    async def decided(self, order_id: UUID) -> None:
        """Wait until this order is confirmed or cancelled."""
        while True:
            if await self._connections["orders"].fetchval(DECIDED, order_id):
                return
            await asyncio.sleep(LONE_POLL_SECONDS)

    async def completions(self, order_ids: list[UUID]) -> list[float]:
        """Seconds from each order's creation to its end."""
        return [row[0] for row in await self._connections["orders"].fetch(COMPLETION, order_ids)]

    async def last_mail(self) -> datetime:
        """When the last mail since the mark was settled."""
        found: datetime = await self._connections["notifications"].fetchval(LAST_MAIL, self._since)
        return found
