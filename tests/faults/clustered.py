"""A stack of a test's own whose Postgres nodes are under Patroni, and what its clients see of a failover."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bearer import Tokens
from chassis.db import Database
from chassis.settings import ServiceSettings
from faults.conftest import SETTINGS
from faults.load import Load
from faults.system import SKUS, STOCKED
from faults.verdict import verify
from native import Stack, free_base, postgres
from outside.shop import Shop
from outside.waiting import eventually
from verify.told import read

PER_SECOND = 10.0
REST_SECONDS = 120.0
PAUSE_SECONDS = 0.02


@dataclass
class Clustered:
    """The stack, orders at a steady rate, and a writer that measures for how long nobody could write."""

    stack: Stack
    shop: Shop
    load: Load
    told: Path
    longest_gap_seconds: float = 0.0

    def services(self) -> dict[str, int]:
        """The process of each instance: a restart would show."""
        return {name: self.stack.pid(name) for service in SETTINGS for name in self.stack.plan.instances(service)}

    @asynccontextmanager
    async def under_load(self) -> AsyncIterator[None]:
        """Inside, orders flow. At the end everybody who asked has an answer."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.load.run(10**6, PER_SECOND))
            writing = group.create_task(self._write())
            yield
            self.load.stop()
            writing.cancel()

    async def ordered(self, more: int) -> None:
        """Wait until so many more orders have been accepted."""
        wanted = len(self.load.accepted) + more
        await eventually(self._accepted, lambda accepted: accepted >= wanted)

    async def _accepted(self) -> int:
        return len(self.load.accepted)

    async def verified(self) -> None:
        """Everything that was promised is kept: every invariant holds, nothing is parked."""
        verdict = await verify(self.stack.name, self.told, wait_seconds=REST_SECONDS)
        print(f"no commit for {self.longest_gap_seconds:.1f} s; answers: {dict(self.load.answers)}")
        assert verdict.ok, f"verify is red\n{verdict}"
        accepted = {wish.key for wish in self.load.accepted.values()}
        assert {told.key for told in read(self.told)} == accepted, "a customer gave up"
        assert verdict.counts("terminal")["accepted"] == len(accepted)

    async def _write(self) -> None:
        """Commit one row after the other, as the order service's own role."""
        database = Database(_as_order_service(self.stack))
        last = time.monotonic()
        try:
            while True:
                if await database.writable():
                    now = time.monotonic()
                    self.longest_gap_seconds, last = max(self.longest_gap_seconds, now - last), now
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            await database.close()


@asynccontextmanager
async def clustered(name: str, told: Path, seed: str) -> AsyncIterator[Clustered]:
    """Up, with products on the shelf; gone at the end."""
    stack = Stack(os.environ.get("FAULTS_STACK", "faults") + name, base_port=free_base())
    try:
        await asyncio.to_thread(stack.up, settings=SETTINGS)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=500)) as session:
            shop = Shop(session, stack.url("edge"), Tokens.load(stack.name))
            for sku in SKUS:
                await shop.stock_up(STOCKED, sku=sku)
            yield Clustered(stack, shop, Load(shop, told, SKUS, seed), told)
    finally:
        await asyncio.to_thread(stack.down, volumes=True)


def _as_order_service(stack: Stack) -> ServiceSettings:
    values = {
        "http_port": 1,
        "internal_port": 2,
        "database_hosts": postgres.hosts(stack.plan),
        "database_name": "orders",
        "database_user": "order_app",
        "database_password": stack.secret("order_app"),
        "broker_host": "127.0.0.1",
        "broker_user": "order",
        "broker_password": stack.secret("order"),
        "redis_host": "127.0.0.1",
        "redis_user": "order",
        "redis_password": stack.secret("order_redis"),
    }
    return ServiceSettings.model_validate(values)
