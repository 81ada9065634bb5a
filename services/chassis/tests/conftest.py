"""A database and a vhost of the chassis' own on the stack's servers; each test begins with empty tables."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aio_pika import RobustConnection
from aio_pika.abc import ConnectionParameter
from alembic.migration import MigrationContext
from alembic.operations import Operations
from chassis_broker import SECRET, Broker, own_broker
from chassis_kit import EMPTY, TABLES, Node, SettingsOf, Sql, eventually
from chassis_wire import Wire, wire_to_postgres
from sqlalchemy import Connection, text

from chassis.broker import Publisher
from chassis.connect import AccessDeniedError, Connector, NoNodeError, create_engine
from chassis.db import Database
from chassis.events import uuid7
from chassis.schema import create_chassis_tables, create_read_tables, create_trace_columns
from chassis.settings import ServiceSettings
from native import Stack, passwords

NAME = f"alone_chassis_{os.getpid()}"


@pytest.fixture(scope="session")
def socket(stack: Stack) -> Path:
    """The directory of the primary's socket."""
    return Path(stack.layout.postgres_socket("postgres-primary"))


@pytest.fixture(scope="session")
def new_database(stack: Stack) -> Iterator[Callable[[str], str]]:
    """Makes a database with the chassis' tables; it is gone at the end."""
    made: list[str] = []

    def make(suffix: str) -> str:
        name = f"{NAME}_{suffix}"
        template = f'TEMPLATE "{made[0]}"' if made else ""
        stack.sql(f'CREATE DATABASE "{name}" {template}')
        stack.sql(f'ALTER DATABASE "{name}" SET synchronous_commit = off')  # nothing here outlives the tests
        made.append(name)
        return name

    yield make
    for name in reversed(made):
        stack.sql(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
async def database_name(stack: Stack, socket: Path, new_database: Callable[[str], str]) -> str:
    """The database of most tests."""
    template = await asyncio.to_thread(new_database, "template")
    node = [(str(socket), stack.ports["postgres-primary"])]
    engine = create_engine(
        Connector(node, "primary", database=template, user="postgres", password="").connect, "primary", 2
    )
    async with engine.begin() as connection:
        await connection.run_sync(_create_tables)
    await engine.dispose()
    return await asyncio.to_thread(new_database, "main")


def _create_tables(connection: Connection) -> None:
    with Operations.context(MigrationContext.configure(connection)):
        create_chassis_tables()
        create_read_tables()
        create_trace_columns()
    for statement in TABLES.split(";\n"):
        connection.execute(text(statement))


@pytest.fixture(scope="session")
def settings(stack: Stack, socket: Path, database_name: str) -> SettingsOf:
    """Makes the settings of a service on the tests' own database and vhost."""
    own = {
        "http_port": 1,
        "internal_port": 2,
        "database_hosts": f"{socket}:{stack.ports['postgres-primary']}",
        "database_name": database_name,
        "database_user": "postgres",
        "database_password": "",
        "database_pool_size": 8,
        "broker_host": "127.0.0.1",
        "broker_port": stack.ports["rabbitmq"],
        "broker_user": NAME,
        "broker_password": SECRET,
        "redis_host": "127.0.0.1",
        "redis_port": stack.ports["redis"],
        "redis_user": "order",
        "redis_password": stack.secret("order_redis"),
        "token_keys_file": passwords.directory(stack.layout, "order") / "token_keys.json",
    }

    def make(**changes: Any) -> ServiceSettings:
        return ServiceSettings.model_validate({**own, **changes})

    return make


@pytest.fixture(scope="session")
async def connection(database_name: str, socket: Path, stack: Stack) -> AsyncIterator[Sql]:
    """The test's own view of the database."""
    port = stack.ports["postgres-primary"]
    connection: Sql = await asyncpg.connect(host=str(socket), port=port, user="postgres", database=database_name)
    yield connection
    await connection.close()


@pytest.fixture
async def sql(connection: Sql) -> Sql:
    """The same, on empty tables."""
    await connection.execute(EMPTY)
    return connection


@pytest.fixture
async def database(settings: SettingsOf, sql: object) -> AsyncIterator[Database]:
    """The database as a service has it."""
    database = Database(settings())
    yield database
    await eventually(lambda: _is_idle(database))
    await database.close()


async def _is_idle(database: Database) -> bool:
    """Whether nobody uses a connection: a query's is given back after its answer was sent."""
    pools = [engine.pool for engine in database.engines.values()]
    return not any(pool.checkedout() for pool in pools)


@pytest.fixture
async def wire(tmp_path: Path, socket: Path, stack: Stack) -> AsyncIterator[Wire]:
    """What `wired` is at the end of."""
    async with wire_to_postgres(tmp_path, socket, stack.ports["postgres-primary"]) as wire:
        yield wire


@pytest.fixture
async def wired(settings: SettingsOf, sql: object, wire: Wire, tmp_path: Path, stack: Stack) -> AsyncIterator[Database]:
    """The database as a service has it, at the end of a wire that the test can cut."""
    database = Database(settings(database_hosts=f"{tmp_path}:{stack.ports['postgres-primary']}"))
    yield database
    await eventually(lambda: _is_idle(database))
    await database.close()


@pytest.fixture(scope="session")
async def broker(stack: Stack) -> AsyncIterator[Broker]:
    """The vhost."""
    async with own_broker(stack, NAME) as broker:
        yield broker


@pytest.fixture
async def queue(broker: Broker) -> AsyncIterator[str]:
    """A queue of the test's own that gets every `Noted` of four partitions."""
    name = f"q{uuid7().hex}"
    await broker.listener(name, *(f"p{partition:02d}.thing.noted.v1" for partition in range(4)))
    yield name
    await broker.channel.queue_delete(name)


@pytest.fixture
async def partition(broker: Broker) -> AsyncIterator[str]:
    """A partition's queue of the test's own."""
    name = f"p{uuid7().hex}"
    await broker.partition(name)
    yield name
    await broker.channel.queue_delete(name)


@pytest.fixture
async def publisher(settings: SettingsOf, broker: Broker) -> AsyncIterator[Publisher]:
    """What a relay publishes with."""
    publisher = Publisher(settings(), broker.name)
    await publisher.open()
    yield publisher
    await publisher.close()


@pytest.fixture
def node(stack: Stack) -> Callable[[str], Node]:
    """The address of the primary or the replica."""

    def of(role: str) -> Node:
        name = f"postgres-{role}"
        return str(stack.layout.postgres_socket(name)), stack.ports[name]

    return of


@pytest.fixture(scope="session")
async def on_the_replica(stack: Stack, database_name: str) -> None:
    """The tests' database has reached the replica."""
    host, port = stack.layout.postgres_socket("postgres-replica"), stack.ports["postgres-replica"]
    replica = Connector([(str(host), port)], "replica", database=database_name, user="postgres", password="")

    async def there() -> bool:
        try:
            await (await replica.connect()).close()
        except (NoNodeError, AccessDeniedError):
            return False
        return True

    await eventually(there)


@pytest.fixture
async def pair(
    settings: SettingsOf, sql: object, on_the_replica: None, node: Callable[[str], Node]
) -> AsyncIterator[Database]:
    """The database as a service has it, with a replica."""
    hosts = ",".join(f"{host}:{port}" for host, port in map(node, ("replica", "primary")))
    database = Database(settings(database_hosts=hosts))
    yield database
    await eventually(lambda: _is_idle(database))
    await database.close()


@pytest.fixture
async def replica(node: Callable[[str], Node], on_the_replica: None, database_name: str) -> AsyncIterator[Sql]:
    """The test's own view of the replica, whose replay it may pause; it goes on at the end."""
    host, port = node("replica")
    connection: Sql = await asyncpg.connect(host=host, port=port, user="postgres", database=database_name)
    yield connection
    await connection.execute("SELECT pg_wal_replay_resume()")
    await connection.close()


@pytest.fixture(scope="session", autouse=True)
def impatient() -> Iterator[None]:
    """A lost broker connection is opened again at once: the library would wait for five seconds first."""
    usual = RobustConnection.PARAMETERS
    pause = ConnectionParameter(name="reconnect_interval", parser=float, default="0.1")
    RobustConnection.PARAMETERS = (*(each for each in usual if each.name != pause.name), pause)
    yield
    RobustConnection.PARAMETERS = usual
