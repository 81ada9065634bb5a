"""A service's database: its pools, its transactions, and when to try one again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import async_sessionmaker
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, stop_never, wait_random_exponential

from chassis.connect import Connector, NoNodeError, Role, create_engine
from chassis.consistency import CLUSTER, token_of, written
from chassis.session import COMMITTING, Aggregate, Base, Cause, Listener, Session
from chassis.settings import ServiceSettings

__all__ = ["Aggregate", "Base", "Cause", "Database", "Session", "patience", "retrying", "transient", "unavailable"]

RETRY_DEADLINE_SECONDS = 30.0
SERIALIZATION_FAILURE, DEADLOCK, LOCK_TIMEOUT = "40001", "40P01", "55P03"
TRANSIENT_STATES = ("25006", "57P01", "57P02", "57P03", SERIALIZATION_FAILURE, DEADLOCK, LOCK_TIMEOUT)

TOUCH = text("""
    INSERT INTO suspects (id) VALUES ('00000000-0000-0000-0000-000000000000')
    ON CONFLICT (id) DO UPDATE SET tried_at = now()
""")

Pool = Literal["api", "primary", "replica"]
POOLS: dict[Pool, Role] = {"api": "primary", "primary": "primary", "replica": "replica"}


class Database:
    """A service's own database: sessions on the primary for commands, on the replica for queries that may lag.

    HTTP has a pool of its own: a burst of requests on a hot row must not keep the relay and the consumers waiting.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self.listeners: list[Listener] = []
        self.session_info: dict[str, Any] = {}
        self.cluster: int | None = None  # the database cluster's identifier, known from the first connection on
        self.engines = {pool: self._engine(settings, role, pool) for pool, role in POOLS.items()}
        options: dict[str, Any] = {
            "class_": Session,
            "expire_on_commit": False,
            "autoflush": False,
            "info": self.session_info,
        }
        self._sessions = {pool: async_sessionmaker(engine, **options) for pool, engine in self.engines.items()}
        for engine in self.engines.values():
            event.listen(engine.sync_engine, "connect", self._learn_cluster)
        event.listen(self.engines["api"].sync_engine, "checkin", _learn_position)

    def _learn_cluster(self, connection: Any, _: object) -> None:
        self.cluster = connection.run_async(lambda driver: driver.fetchval(CLUSTER))

    def token(self, session: Session) -> str:
        """The consistency token of a command's transaction, once it is committed."""
        return token_of(self.cluster, session.position)

    @staticmethod
    def _engine(settings: ServiceSettings, role: Role, pool: Pool) -> Any:
        connector = Connector(
            settings.nodes,
            role,
            database=settings.database_name,
            user=settings.database_user,
            password=settings.database_password.get_secret_value(),
        )
        return create_engine(connector.connect, role, settings.database_pool_size, pool)

    @asynccontextmanager
    async def transaction(self, boundary: str, cause: Cause | None = None) -> AsyncIterator[Session]:
        """A transaction on the primary, committed at the end of the block, rolled back by an exception.

        `boundary` is whose it is: http, consumer, effects, sweeper, upkeep, parking.
        """
        make = self._sessions["api" if boundary == "http" else "primary"]
        async with make(boundary=boundary, cause=cause, listeners=self.listeners) as session:
            yield session
            await session.commit()

    @asynccontextmanager
    async def query(self, pool: Pool) -> AsyncIterator[Session]:
        """A reading session; on the replica it is as much behind as the replica is."""
        async with self._sessions[pool]() as session:
            yield session

    async def writable(self) -> bool:
        """Whether the primary commits now. Where COMMIT hangs because the standby is away, so does this."""
        try:
            async with self.transaction("upkeep") as session:
                await session.execute(TOUCH)
        except Exception as error:
            if unavailable(error):
                return False
            raise
        return True

    async def close(self) -> None:
        """Close the pools."""
        for engine in self.engines.values():
            await engine.dispose()


def _learn_position(connection: Any, record: Any) -> None:
    """After a command's COMMIT, on its own connection, so that no other node answers; a round trip of its own."""
    session: Session | None = record.info.pop(COMMITTING, None)
    if session is None or connection is None:
        return
    with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):  # committed it is, whatever happens now
        session.position = connection.run_async(written)


def transient(error: BaseException) -> bool:
    """Whether the same transaction may succeed when run again as a whole."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _passes(error.orig)
    if isinstance(error, asyncpg.PostgresError):  # where the driver was spoken to directly, nothing wraps it
        return _passes(error)
    return isinstance(error, NoNodeError | ConnectionError | asyncpg.InterfaceError)


def _passes(cause: BaseException | None) -> bool:
    """Whether the state that the server gave, or the driver in its name, is one that ends by itself."""
    state: str = getattr(cause, "sqlstate", None) or ""
    return state.startswith("08") or state in TRANSIENT_STATES


def retrying() -> AsyncRetrying:
    """Attempts at a *whole* transaction: full jitter from 50 ms to 1 s, for as long as a failover takes."""
    return AsyncRetrying(
        retry=retry_if_exception(transient),
        wait=wait_random_exponential(multiplier=0.05, max=1),
        stop=stop_after_delay(RETRY_DEADLINE_SECONDS),
        reraise=True,
    )


def unavailable(error: BaseException) -> bool:
    """Whether the database is away or busy, so that waiting helps."""
    return transient(error) or isinstance(error, PoolTimeoutError)


def patience(seconds: float | None = None) -> AsyncRetrying:
    """Attempts at a whole transaction that waits for the database, for so long or without end."""
    return AsyncRetrying(
        retry=retry_if_exception(unavailable),
        wait=wait_random_exponential(multiplier=0.05, max=2),
        stop=stop_after_delay(seconds) if seconds is not None else stop_never,
        reraise=True,
    )
