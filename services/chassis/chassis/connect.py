"""Finding the right Postgres node: engines that follow a failover by themselves.

Not a multi-host URL, whose one timeout covers all hosts together, so that a hanging first host would block the
failover: every node is tried on its own, the last good one first, and taken only if its role is the wanted one.
"""

import time
from collections.abc import Callable, Coroutine
from typing import Any, Literal

import asyncpg
from sqlalchemy import AsyncAdaptedQueuePool, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from chassis.pool import FairPool, measure

Role = Literal["primary", "replica"]

CONNECT_TIMEOUT_SECONDS = 1.5
READER_ON_PRIMARY_SECONDS = 5.0  # read pools would stay on a promoted node for ever otherwise
NOT_OUR_ROLE = ("25006", "57P01", "57P02", "57P03")  # read-only transaction, shutdowns, not ready yet


class NoNodeError(OSError):
    """No node of the wanted role accepts a connection now. Transient: a failover ends it."""


class AccessDeniedError(Exception):
    """Every node refuses who we say we are, or has no such database: trying again cannot help."""


DENIALS = (
    asyncpg.InvalidPasswordError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)


class Connector:
    """Opens connections to the node that has the wanted role now; a reader falls back to the primary."""

    def __init__(self, nodes: list[tuple[str, int]], role: Role, *, database: str, user: str, password: str) -> None:
        self._nodes = list(nodes)
        self._role = role
        self._database = database
        self._user = user
        self._password = password

    async def connect(self) -> "asyncpg.Connection[Any]":
        """A connection to a node of the wanted role.

        Raises `NoNodeError` naming every node's answer, or `AccessDeniedError` if all of them deny access.
        """
        faults, denials = [], 0
        spare: asyncpg.Connection[Any] | None = None
        for node in list(self._nodes):
            try:
                connection = await self._try(node)
            except (OSError, asyncpg.PostgresError, TimeoutError) as error:
                faults.append(f"{node[0]}:{node[1]} {type(error).__name__}: {error}")
                denials += isinstance(error, DENIALS)
                continue
            if role_of(connection) == self._role:
                if spare is not None:
                    await spare.close()
                self._remember(node)
                return connection
            if self._role == "replica" and spare is None:
                spare = connection
                continue
            faults.append(f"{node[0]}:{node[1]} is not the {self._role}")
            await connection.close()
        if spare is not None:
            return spare
        answers = "; ".join(faults)
        if denials == len(self._nodes):
            raise AccessDeniedError(f"user {self._user} may not use database {self._database}: {answers}")
        raise NoNodeError(f"no {self._role} for database {self._database}: {answers}")

    async def _try(self, node: tuple[str, int]) -> "asyncpg.Connection[Any]":
        host, port = node
        connection: asyncpg.Connection[Any] = await asyncpg.connect(
            host=host,
            port=port,
            timeout=CONNECT_TIMEOUT_SECONDS,
            ssl=False,
            server_settings={"jit": "off"},  # planning a JIT costs more than these statements run
            database=self._database,
            user=self._user,
            password=self._password,
        )
        return connection

    def _remember(self, node: tuple[str, int]) -> None:
        self._nodes.remove(node)
        self._nodes.insert(0, node)


def role_of(connection: Any) -> Role:
    """The node's role as it last reported it: the server tells at connect time and again when it is promoted."""
    return "replica" if connection.get_settings().in_hot_standby == "on" else "primary"


def create_engine(
    connect: Callable[[], Coroutine[Any, Any, Any]], role: Role, size: int, name: str | None = None
) -> AsyncEngine:
    """An engine whose pool keeps only connections to nodes of its role. A pool with a name is measured."""
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=size,
        max_overflow=0,
        pool_timeout=5,
        pool_use_lifo=True,
        poolclass=FairPool if name else AsyncAdaptedQueuePool,
        pool_logging_name=name,
        hide_parameters=True,  # an error's text goes into logs; payment tokens and addresses must not
    )
    _watch(engine, role)
    if name:
        measure(engine.pool, name, size)
    return engine


def _watch(engine: AsyncEngine, role: Role) -> None:
    @event.listens_for(engine.sync_engine, "checkout")
    def check(_: object, record: ConnectionPoolEntry, __: object) -> None:
        driver: Any = record.driver_connection
        if driver.is_closed():
            raise DisconnectionError("the connection is closed")
        if role_of(driver) == role:
            return
        if role == "primary":
            raise DisconnectionError("the node is a standby now")
        since = record.info.setdefault("on_primary_since", time.monotonic())
        if time.monotonic() - since > READER_ON_PRIMARY_SECONDS:
            raise DisconnectionError("looking for a replica again")

    @event.listens_for(engine.sync_engine, "handle_error")
    def judge(context: Any) -> None:
        if getattr(context.original_exception, "sqlstate", None) in NOT_OUR_ROLE:
            context.is_disconnect = True
