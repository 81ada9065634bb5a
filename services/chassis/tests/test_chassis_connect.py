"""Finding the node that has the wanted role, whichever it is, and going on when others do not answer."""

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from chassis_kit import Node, SettingsOf
from chassis_wire import Wire, wire_to_postgres
from sqlalchemy import text

import chassis.connect
from chassis.connect import AccessDeniedError, Connector, NoNodeError, Role, role_of
from chassis.db import Database, retrying
from native import Stack

LIMIT_SECONDS = 1.0

pytestmark = pytest.mark.usefixtures("on_the_replica")


@pytest.fixture
def connector(database_name: str) -> Callable[..., Connector]:
    def make(role: Role, *nodes: Node, user: str = "postgres", database: str = database_name) -> Connector:
        return Connector(list(nodes), role, database=database, user=user, password="")

    return make


@pytest.fixture
async def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Wire]:
    """A node that accepts connections and never says a word, in the test's own directory."""
    monkeypatch.setattr(chassis.connect, "CONNECT_TIMEOUT_SECONDS", LIMIT_SECONDS)
    async with wire_to_postgres(tmp_path, tmp_path, 1) as wire:
        wire.hang()
        yield wire


async def reached(connector: Connector) -> Role:
    """The role of the node that it connects to."""
    connection = await connector.connect()
    role = role_of(connection)
    await connection.close()
    return role


@pytest.mark.parametrize("role", ["primary", "replica"])
@pytest.mark.parametrize("order", [["primary", "replica"], ["replica", "primary"]], ids="-".join)
async def test_the_node_of_the_wanted_role_is_found_in_whatever_order(
    connector: Callable[..., Connector], node: Callable[[str], Node], role: Role, order: list[str]
) -> None:
    assert await reached(connector(role, *map(node, order))) == role


async def test_a_reader_falls_back_to_the_primary(
    connector: Callable[..., Connector], node: Callable[[str], Node], tmp_path: Path
) -> None:
    for nodes in ([node("primary")], [("/nowhere", 1), node("primary")], [node("primary"), node("primary")]):
        assert await reached(connector("replica", *nodes)) == "primary"


async def test_a_writer_never_falls_back_to_a_replica(
    connector: Callable[..., Connector], node: Callable[[str], Node]
) -> None:
    with pytest.raises(NoNodeError, match="is not the primary"):
        await connector("primary", node("replica")).connect()


async def test_where_no_node_answers_each_is_named_with_its_answer(
    connector: Callable[..., Connector], node: Callable[[str], Node]
) -> None:
    with pytest.raises(NoNodeError) as error:
        await connector("primary", ("/nowhere", 1), ("127.0.0.1", 2), node("replica")).connect()
    for part in ("/nowhere:1 FileNotFoundError", "127.0.0.1:2 Connection", "is not the primary"):
        assert part in str(error.value)


async def test_a_node_that_hangs_costs_its_own_time_limit_and_only_once(
    connector: Callable[..., Connector], node: Callable[[str], Node], hanging: Wire, tmp_path: Path
) -> None:
    found = connector("primary", (str(tmp_path), 1), node("primary"))
    started = time.monotonic()
    assert await reached(found) == "primary"
    assert time.monotonic() - started >= LIMIT_SECONDS
    assert hanging.taken == 1
    assert await reached(found) == "primary"  # the last good one is asked first
    assert hanging.taken == 1


async def test_access_denied_by_every_node_is_not_worth_another_attempt(
    connector: Callable[..., Connector], node: Callable[[str], Node]
) -> None:
    with pytest.raises(AccessDeniedError, match="no_such_database"):
        await connector("primary", node("primary"), node("replica"), database="no_such_database").connect()
    with pytest.raises(AccessDeniedError, match="nobody"):
        await connector("primary", node("primary"), user="nobody").connect()


async def test_access_denied_by_one_node_alone_is_worth_another_attempt(
    connector: Callable[..., Connector], node: Callable[[str], Node]
) -> None:
    with pytest.raises(NoNodeError):
        await connector("primary", ("/nowhere", 1), node("primary"), database="no_such_database").connect()


async def test_a_reader_on_the_primary_looks_for_a_replica_again_after_a_while(
    settings: SettingsOf,
    wire: Wire,
    tmp_path: Path,
    node: Callable[[str], Node],
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with wire_to_postgres(tmp_path, Path(node("replica")[0]), node("replica")[1]) as to_replica:
        hosts = [f"{host}:{port}" for host, port in ((str(tmp_path), node("replica")[1]), node("primary"))]
        database = Database(settings(database_hosts=",".join(hosts)))
        to_replica.down()
        assert await read_from(database) == "primary"
        async with to_replica:
            assert await read_from(database) == "primary"
            monkeypatch.setattr(chassis.connect, "READER_ON_PRIMARY_SECONDS", -1)
            assert await read_from(database) == "replica"
            await database.close()


async def read_from(database: Database) -> str:
    async with database.query("replica") as session:
        replica = await session.scalar(text("SELECT pg_is_in_recovery()"))
    return "replica" if replica else "primary"


async def test_commands_go_to_the_primary_and_queries_to_the_replica(
    settings: SettingsOf, node: Callable[[str], Node]
) -> None:
    hosts = ",".join(f"{host}:{port}" for host, port in map(node, ("replica", "primary")))
    database = Database(settings(database_hosts=hosts))
    assert await read_from(database) == "replica"
    for boundary in ("http", "consumer"):
        async with database.transaction(boundary) as session:
            assert not await session.scalar(text("SELECT pg_is_in_recovery()"))
    await database.close()


async def test_a_connection_that_turned_read_only_is_not_used_again(database: Database) -> None:
    used: list[Any] = []
    async for attempt in retrying():
        with attempt:
            async with database.transaction("http") as session:
                used.append(await session.scalar(text("SELECT pg_backend_pid()")))
                if len(used) == 1:
                    await session.execute(text("SET TRANSACTION READ ONLY"))
                await session.execute(text("DELETE FROM notes"))
    assert len(set(used)) == 2


async def test_no_address_is_ever_used_with_jit(database: Database) -> None:
    async with database.query("primary") as session:
        assert await session.scalar(text("SHOW jit")) == "off"
