"""Reading everything in bulk: a handful of queries per database, each database in one snapshot."""

import asyncio
from collections.abc import Callable, Iterable
from sys import intern
from typing import Any, TypeVar

from verify.addresses import Addresses
from verify.broker import Broker
from verify.database import Connection, Databases, kept_since, snapshot
from verify.http import session
from verify.outside import read_ledger, read_mails
from verify.rows import (
    Backward,
    Event,
    Facts,
    Key,
    Leftover,
    Notification,
    Order,
    Parked,
    Payment,
    Stock,
    Traffic,
)
from verify.subscriptions import Subscribers

PLACE_ROUTE = "POST /orders"
ROWS_AT_A_TIME = 5_000

ORDERS = "SELECT id, version, customer, status, reason, total_cents, currency, email, items, created_at FROM orders"
PAYMENTS = "SELECT id, version, status, reason, amount_cents, currency FROM payments"
NOTIFICATIONS = """
    SELECT notifications.id, version, order_id, kind, status, reason, email, attempts
    FROM notifications LEFT JOIN (
        SELECT aggregate_id, sum(attempt) AS attempts FROM effects WHERE kind = 'mail' GROUP BY 1
    ) AS tries ON aggregate_id = notifications.id
"""
KEYS = "SELECT customer, key, command_id, body FROM idempotency WHERE route = $1"
STOCK = """
    WITH ordered AS (
        SELECT item ->> 'sku' AS sku, status, sum(CAST(item ->> 'quantity' AS bigint)) AS quantity
        FROM orders, jsonb_array_elements(items) AS item WHERE status <> 'cancelled' GROUP BY 1, 2)
    SELECT sku, coalesce(max(stocked), 0), coalesce(max(available), 0), coalesce(max(reserved), 0),
           coalesce(max(sold), 0), CAST(coalesce(sum(quantity) FILTER (WHERE status = 'confirmed'), 0) AS bigint),
           CAST(coalesce(sum(quantity) FILTER (WHERE status = 'pending'), 0) AS bigint)
    FROM stock FULL JOIN ordered USING (sku) GROUP BY sku
"""
PUBLISHED = "SELECT id, type, subject FROM outbox WHERE id >= $1"
RECEIVED = "SELECT id, type, subject FROM inbox WHERE id >= $1"
REPEATED = "SELECT coalesce(sum(seen - 1), 0) FROM inbox WHERE id >= $1"
BACKWARD = """
    SELECT id, source, subject, sequence, before
    FROM (SELECT *, lag(sequence) OVER (PARTITION BY source, subject ORDER BY position) AS before FROM inbox) AS row
    WHERE sequence < before
"""
PARKED = "SELECT id, type, subject, reason FROM parked"
LEFTOVERS = """
    SELECT 'never published', type || ' ' || id || ' of order ' || subject FROM outbox WHERE published_at IS NULL
    UNION ALL SELECT 'never performed', kind || ' of order ' || subject || coalesce(': ' || outcome, '')
        FROM effects WHERE done_at IS NULL
    UNION ALL SELECT 'refused by the broker', 'order ' || subject || ': ' || reason FROM outbox_blocked
    UNION ALL SELECT 'quarantined behind nothing', 'order ' || subject FROM quarantine
        WHERE NOT EXISTS (SELECT FROM parked WHERE parked.subject = quarantine.subject)
"""

# Events that are in the inbox although nothing was done about them. Expiry hides it: the order is cancelled and all
# else looks fine. A payment that began as a tombstone must not have handled order.placed before; an order that heard of
# its payment in time must not have expired (with room for a handler that waited for the order's lock).
FORGOTTEN_PAYMENTS = """
    SELECT 'payment has handled order.placed, and yet has no payment for it', 'order ' || placed.subject
    FROM payments JOIN inbox AS placed ON placed.subject = payments.id AND placed.type = 'order.placed.v1'
    JOIN inbox AS cancelled ON cancelled.subject = payments.id AND cancelled.type = 'order.cancelled.v1'
    WHERE payments.currency = 'XXX' AND placed.handled_at < cancelled.handled_at
      AND NOT EXISTS (SELECT FROM parked WHERE parked.id = placed.id)
"""
FORGOTTEN_ORDERS = """
    SELECT 'order has handled ' || told.type || ' while it was pending, and yet it expired',
           'order ' || told.subject
    FROM orders JOIN inbox AS told ON told.subject = orders.id
      AND told.type IN ('payment.captured.v1', 'payment.declined.v1')
    JOIN outbox AS cancelled ON cancelled.subject = orders.id AND cancelled.type = 'order.cancelled.v1'
    WHERE orders.reason = 'expired' AND told.handled_at < cancelled.created_at - interval '5 seconds'
      AND NOT EXISTS (SELECT FROM parked WHERE parked.id = told.id)
"""

RowT = TypeVar("RowT")
Make = Callable[[Iterable[Any]], RowT]


async def load(addresses: Addresses, databases: Databases, broker: Broker, subscribers: Subscribers) -> Facts:
    """Everything there is. Raises `CannotCheckError`."""
    order, payment, notification = (databases.primary[name] for name in ("order", "payment", "notification"))
    since = await kept_since(databases.primary)
    async with session() as client, snapshot(order), snapshot(payment), snapshot(notification):
        (orders, keys, stock), payments, notifications = await asyncio.gather(
            _orders(order), _payments(payment), _notifications(notification)
        )
        traffic = await asyncio.gather(*(_traffic(connection, since) for connection in databases.primary.values()))
        return Facts(
            now=await order.fetchval("SELECT now()"),
            since=since,
            orders=orders,
            payments=payments,
            notifications=notifications,
            keys=keys,
            stock=stock,
            traffic=dict(zip(databases.primary, traffic, strict=True)),
            ledger=await read_ledger(client, addresses.provider),
            mails=await read_mails(client, addresses.mailsink),
            forgotten=[
                *await _rows(payment, Leftover._make, FORGOTTEN_PAYMENTS),
                *await _rows(order, Leftover._make, FORGOTTEN_ORDERS),
            ],
            depths=await broker.depths(),
            subscribers=subscribers,
        )


async def _rows(connection: Connection, make: Make[RowT], query: str, *arguments: object) -> list[RowT]:
    """Through a cursor: the driver's rows and ours need not all be there at the same time."""
    return [make(row) async for row in connection.cursor(query, *arguments, prefetch=ROWS_AT_A_TIME)]


def _event(row: Iterable[Any]) -> Event:
    """There are a dozen types and a million events: each type is kept once."""
    id_, type_, subject = row
    return Event(id_, intern(type_), subject)


async def _orders(connection: Connection) -> tuple[dict[Any, Order], dict[tuple[str, str], Key], list[Stock]]:
    orders = await _rows(connection, Order._make, ORDERS)
    keys = await _rows(connection, Key._make, KEYS, PLACE_ROUTE)
    stock = await _rows(connection, Stock._make, STOCK)
    return {row.id: row for row in orders}, {(row.customer, row.key): row for row in keys}, stock


async def _payments(connection: Connection) -> dict[Any, Payment]:
    return {row.id: row for row in await _rows(connection, Payment._make, PAYMENTS)}


async def _notifications(connection: Connection) -> dict[Any, Notification]:
    return {row.id: row for row in await _rows(connection, Notification._make, NOTIFICATIONS)}


async def _traffic(connection: Connection, since: object) -> Traffic:
    return Traffic(
        published=await _rows(connection, _event, PUBLISHED, since),
        received=await _rows(connection, _event, RECEIVED, since),
        repeated=await connection.fetchval(REPEATED, since),
        backward=await _rows(connection, Backward._make, BACKWARD),
        parked=await _rows(connection, Parked._make, PARKED),
        leftovers=await _rows(connection, Leftover._make, LEFTOVERS),
    )
