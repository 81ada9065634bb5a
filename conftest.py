"""One stack for the whole test run: the project's own servers, simulators and services, started by its own commands.

Two replicas of each service, and every time shortened: call (0.5 s) < lease (2 s) < charge give-up (8 s) < order
expiry (25 s). `KEEP_STACK=1` leaves it running, so that the next run starts at once; `TEST_STACK` is
its name, so that two runs do not meet.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from bearer import Tokens
from chassis.db import Database
from chassis.migrations import upgrade
from chassis.settings import ServiceSettings
from native import Stack, free_base, passwords
from native.plan import traced
from native.ports import Ports
from outside.collector import Collector

COMMON = {"QS_CALL_TIMEOUT_SECONDS": "0.5", "QS_EFFECT_LEASE_SECONDS": "2"}
SETTINGS = {
    "order": {**COMMON, "QS_ORDER_TTL_SECONDS": "25"},
    "payment": {**COMMON, "QS_CHARGE_GIVE_UP_SECONDS": "8"},
    "notification": COMMON,
}
STACKS = {"stack": "servers", "faults_stack": "faults"}


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a stack, by which one it needs."""
    for item in items:
        for fixture, mark in STACKS.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(mark)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Everything, up; and traced, to where the fixture `collector` listens or nobody does."""
    keep = "KEEP_STACK" in os.environ
    stack = Stack(os.environ.get("TEST_STACK", "tests"))
    if not keep:
        stack.down(volumes=True)  # what a run that was broken off, or one that kept it, has left
    base = stack.ports.base if stack.running else free_base()
    stack = Stack(stack.name, base_port=base)
    endpoint = f"http://127.0.0.1:{Ports(base)['collector']}"
    stack.up(replicas=2, settings=traced(SETTINGS, endpoint), patroni=False)
    yield stack
    if not keep:
        stack.down(volumes=True)


@pytest.fixture
def collector(stack: Stack) -> Iterator[Collector]:
    """What the stack's services export their spans to: there for one test only, which is one more guarantee."""
    with Collector(stack.ports["collector"]) as collector:
        yield collector


@pytest.fixture(scope="session")
def tokens(stack: Stack) -> Tokens:
    """Bearer tokens, signed with the stack's own key."""
    return Tokens.load(stack.name)


@pytest.fixture(scope="session")
def database_of(stack: Stack) -> Callable[[str], Awaitable[Database]]:
    """Makes a database with a service's tables in which no service is at work: `await database_of("order")`."""

    def create(service: str) -> Database:
        name = f"alone_{service}"
        stack.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        stack.sql(f'CREATE DATABASE "{name}"')
        stack.sql(f'ALTER DATABASE "{name}" SET synchronous_commit = off')  # nothing here outlives the test
        upgrade(service, Database(settings_of(stack, name)).engines["primary"])
        return Database(settings_of(stack, name))

    async def created(service: str) -> Database:
        return await asyncio.to_thread(create, service)

    return created


def settings_of(stack: Stack, database: str, **changes: Any) -> ServiceSettings:
    """A service's settings, on a database of the test's own; as superuser, over the socket."""
    node = "postgres-primary"
    values = {
        "http_port": 1,
        "internal_port": 2,
        "database_hosts": f"{stack.layout.postgres_socket(node)}:{stack.ports[node]}",
        "database_name": database,
        "database_user": "postgres",
        "database_password": "",
        "broker_host": "127.0.0.1",
        "broker_port": stack.ports["rabbitmq"],
        "broker_user": "order",
        "broker_password": stack.secret("order"),
        "redis_host": "127.0.0.1",
        "redis_port": stack.ports["redis"],
        "redis_user": "order",
        "redis_password": stack.secret("order_redis"),
        "token_keys_file": passwords.directory(stack.layout, "order") / "token_keys.json",
    }
    return ServiceSettings.model_validate({**values, **changes})
