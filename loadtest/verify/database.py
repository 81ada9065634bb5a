"""The three databases on both nodes, read as `verifier`, who may only look."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias
from uuid import UUID

import asyncpg

from verify.addresses import Addresses
from verify.errors import CannotCheckError

DATABASES = {"order": "orders", "payment": "payments", "notification": "notifications"}  # a vhost has the same name
ROLE = "verifier"
CONNECT_TIMEOUT_SECONDS = 5.0

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Node = dict[str, Connection]  # by service

KEPT_DAYS = 6  # services drop published events after seven days: one day less, because midnight may pass meanwhile
TODAY = "SELECT current_date"


@dataclass(frozen=True)
class Databases:
    """A connection per service and node."""

    primary: Node
    replica: Node


@asynccontextmanager
async def connect(addresses: Addresses) -> AsyncIterator[Databases]:
    """Both nodes, by the role each one has now. Raises `CannotCheckError` where one is missing."""
    async with AsyncExitStack() as stack:
        nodes: dict[str, Node] = {}
        for address in (addresses.postgres_primary, addresses.postgres_replica):
            node = {service: await _open(stack, addresses, address, name) for service, name in DATABASES.items()}
            replica = node["order"].get_settings().in_hot_standby == "on"
            nodes["replica" if replica else "primary"] = node
        if len(nodes) < 2:
            (role,) = nodes
            raise CannotCheckError(
                f"{addresses.postgres_primary} and {addresses.postgres_replica} are each a {role}: one must be the"
                " primary and the other its replica; see make status"
            )
        yield Databases(**nodes)


async def _open(stack: AsyncExitStack, addresses: Addresses, address: str, database: str) -> Connection:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise CannotCheckError(f"'{address}' is no address of a database: write it as host:port")
    try:
        connection = await asyncpg.connect(
            host=host,
            port=int(port),
            user=ROLE,
            password=addresses.verifier_password,
            database=database,
            timeout=CONNECT_TIMEOUT_SECONDS,
            ssl=False,
            server_settings={"application_name": "verify", "work_mem": "64MB"},
        )
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        reason = str(error) or type(error).__name__
        raise CannotCheckError(f"cannot read database {database} at {address}: {reason}; see make status") from None
    stack.push_async_callback(connection.close)
    return connection


@asynccontextmanager
async def snapshot(connection: Connection) -> AsyncIterator[None]:
    """Every query inside sees the same moment."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        yield


async def kept_since(node: Node) -> UUID:
    """The least event id from which on every outbox and inbox must still have every row; older ones may be dropped."""
    today = await node["order"].fetchval(TODAY)
    return floor(today - timedelta(days=KEPT_DAYS))


def floor(day: date) -> UUID:
    """The least UUIDv7 of a day."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return UUID(int=int(midnight.timestamp() * 1000) << 80)


async def from_each(node: Node, query: str, *arguments: object) -> dict[str, list[asyncpg.Record]]:
    """The same question to each of a node's databases."""
    answers = await asyncio.gather(*(connection.fetch(query, *arguments) for connection in node.values()))
    return dict(zip(node, answers, strict=True))
