"""The three databases, read as `verifier`, who may only look."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from chassis.events import Contract, Envelope
from notification.events import CONTRACT as NOTIFICATION
from order.events import CONTRACT as ORDER
from outside.waiting import eventually
from payment.events import CONTRACT as PAYMENT
from runtime import Running

CONTRACTS = (ORDER, PAYMENT, NOTIFICATION)
DATABASES = tuple(contract.vhost for contract in CONTRACTS)  # a database is named like its service's vhost
RELAY_LOCKS = 0x0B0B  # the namespace of the relay's advisory locks, one per shard
PARTITIONS = 4

EVENTS = "SELECT * FROM outbox WHERE subject = $1 ORDER BY seq"
SEEN = "SELECT id, seen FROM inbox WHERE subject = $1 ORDER BY id"
STATE = {
    "orders": ("SELECT * FROM orders WHERE id = $1", "SELECT count(*) FROM outbox WHERE subject = $1"),
    "payments": (
        "SELECT * FROM payments WHERE id = $1",
        "SELECT id, kind, attempt, outcome FROM effects WHERE subject = $1 ORDER BY id",
        "SELECT count(*) FROM outbox WHERE subject = $1",
    ),
    "notifications": (
        "SELECT * FROM notifications WHERE order_id = $1 ORDER BY id",
        "SELECT id, kind, attempt, outcome FROM effects WHERE subject = $1 ORDER BY id",
        "SELECT count(*) FROM outbox WHERE subject = $1",
    ),
}
OPEN = "SELECT count(*) FROM effects WHERE subject = $1 AND done_at IS NULL"
SETTLED = "SELECT kind FROM notifications WHERE order_id = $1 AND status <> 'waiting' ORDER BY kind"
TRACES = """
    SELECT (SELECT count(*) FROM orders WHERE customer = $1) + (SELECT count(*) FROM idempotency WHERE customer = $1)
         + (SELECT count(*) FROM outbox WHERE data ->> 'customer' = $1)
"""


@dataclass(frozen=True)
class Receipt:
    """An event that a subscriber's inbox holds, and how often it was delivered."""

    subscriber: str
    event_id: UUID
    seen: int


class Books:
    """A connection to each database."""

    def __init__(self, connections: dict[str, asyncpg.Pool]) -> None:
        self._pools = connections

    async def fetch(self, database: str, query: str, *arguments: object) -> list[asyncpg.Record]:
        """The rows."""
        return await self._pools[database].fetch(query, *arguments)

    async def value(self, database: str, query: str, *arguments: object) -> Any:
        """The first column of the first row."""
        return await self._pools[database].fetchval(query, *arguments)

    async def events(self, order_id: UUID) -> list[Envelope]:
        """Every event about this order, service by service, each in its own order, as it is published."""
        found = []
        for contract in CONTRACTS:
            found += [_envelope(contract, row) for row in await self.fetch(contract.vhost, EVENTS, order_id)]
        return found

    async def receipts(self, order_id: UUID) -> list[Receipt]:
        """What every inbox holds about this order."""
        found = []
        for contract in CONTRACTS:
            rows = await self.fetch(contract.vhost, SEEN, order_id)
            found += [Receipt(contract.service, row["id"], row["seen"]) for row in rows]
        return found

    async def settled(self, order_id: UUID) -> list[Envelope]:
        """Wait until nothing is left to do for the order; its events.

        Read in this order, one look is enough: had anything happened meanwhile, some event would lack a subscriber's
        receipt.
        """

        async def look() -> tuple[list[Receipt], int, list[Envelope]]:
            receipts = await self.receipts(order_id)
            unfinished = [await self.value(database, OPEN, order_id) for database in ("payments", "notifications")]
            return receipts, sum(unfinished), await self.events(order_id)

        def until(sight: tuple[list[Receipt], int, list[Envelope]]) -> bool:
            receipts, unfinished, events = sight
            wanted = {(name, event.id) for event in events for name in subscribers(event.type)}
            return not unfinished and wanted == {(receipt.subscriber, receipt.event_id) for receipt in receipts}

        return (await eventually(look, until))[2]

    async def product(self, sku: str) -> asyncpg.Record | None:
        """The product's row, and its stock's."""
        rows = await self.fetch("orders", "SELECT * FROM products JOIN stock USING (sku) WHERE sku = $1", sku)
        return rows[0] if rows else None

    async def payment(self, order_id: UUID) -> asyncpg.Record | None:
        """The payment's row."""
        rows = await self.fetch("payments", "SELECT * FROM payments WHERE id = $1", order_id)
        return rows[0] if rows else None

    async def notified(self, order_id: UUID, *kinds: str) -> None:
        """Wait until exactly these mails about the order are settled, and their facts written."""

        async def look() -> list[str]:
            return [row["kind"] for row in await self.fetch("notifications", SETTLED, order_id)]

        await eventually(look, lambda found: found == sorted(kinds))

    async def state(self, order_id: UUID) -> dict[str, list[list[asyncpg.Record]]]:
        """All that the services hold about an order, but for how often they were told."""
        return {
            database: [await self.fetch(database, query, order_id) for query in queries]
            for database, queries in STATE.items()
        }

    async def traces(self, customer: str) -> int:
        """How many rows anything left that this customer asked for."""
        count: int = await self.value("orders", TRACES, customer)
        return count

    @asynccontextmanager
    async def silence(self, database: str) -> AsyncIterator[None]:
        """Inside, nothing leaves this outbox: the relay finds every shard taken."""
        async with self._pools[database].acquire() as connection, connection.transaction():
            for shard in range(PARTITIONS):
                await connection.execute("SELECT pg_advisory_xact_lock($1, $2)", RELAY_LOCKS, shard)
            yield


def subscribers(event_type: str) -> list[str]:
    """Who listens to this type of event."""
    return [
        contract.service
        for contract in CONTRACTS
        for events in contract.consumes.values()
        if event_type in {event.type for event in events}
    ]


@asynccontextmanager
async def open_books(stack: Running) -> AsyncIterator[Books]:
    """Connections to the primary."""
    async with AsyncExitStack() as opened:
        pools = {}
        for database in DATABASES:
            pool = asyncpg.create_pool(stack.dsn("verifier", database), min_size=1, max_size=2, init=_read_json)
            pools[database] = await opened.enter_async_context(pool)
        yield Books(pools)


async def _read_json(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


def _envelope(contract: Contract, row: asyncpg.Record) -> Envelope:
    return Envelope(
        id=row["id"],
        source=contract.service,
        type=row["type"],
        subject=row["subject"],
        time=row["created_at"],
        data=row["data"],
        correlationid=row["correlation_id"],
        causationid=row["causation_id"],
        partition=row["shard"],
        sequence=row["sequence"],
        traceparent=row["traceparent"],
    )
