"""COMMITs whose replies nobody hears, and then the primary is lost: every retry finds out what became of the first try.

The standby is frozen, so that commits wait; a proxy cuts the connections they wait on; the primary is destroyed with
whatever had not been replicated; the standby is promoted. Customers, edge, services and broker go on trying all along.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bearer import Tokens
from faults.conftest import SETTINGS
from faults.failover import destroy_primary, promote_standby, rebuild
from faults.load import Load
from faults.proxy import Link, Proxy, proxied
from faults.system import SKUS, STOCKED
from faults.verdict import verify
from native import Ports, Stack, free_base, postgres
from native.ports import HOST
from outside.shop import Shop

PER_SECOND = 10.0
CALM_SECONDS, AMBIGUOUS_SECONDS, AFTERWARDS_SECONDS = 3.0, 5.0, 8.0
HEARD_FOR_SECONDS = 0.3  # how long a commit may wait before its connection is cut
REST_SECONDS = 120.0


class Swallower:
    """Cuts every connection that waits for the reply to a COMMIT, while it is on."""

    def __init__(self, proxy: Proxy) -> None:
        self.on = False
        self.swallowed = 0
        proxy.on_request = self._see

    def _see(self, link: Link, content: bytes) -> None:
        if self.on and b"COMMIT" in content:
            self.swallowed += 1
            asyncio.get_running_loop().call_later(HEARD_FOR_SECONDS, link.cut)


@pytest.fixture
async def swallower_and_stack() -> AsyncIterator[tuple[Swallower, Proxy, Stack]]:
    """A stack of its own, because its primary will be lost; its services reach the primary through the proxy."""
    ports = Ports(free_base())
    stack = Stack(os.environ.get("FAULTS_STACK", "faults") + "-commits", base_port=ports.base)
    async with proxied(ports[postgres.PRIMARY]) as proxy:
        hosts = {"QS_DATABASE_HOSTS": f"{HOST}:{proxy.port},{HOST}:{ports[postgres.REPLICA]}"}
        settings = {service: {**values, **hosts} for service, values in SETTINGS.items()}
        await asyncio.to_thread(stack.up, replicas=2, settings=settings, patroni=False)
        try:
            yield Swallower(proxy), proxy, stack
        finally:
            await asyncio.to_thread(stack.down, volumes=True)


@pytest.mark.faults_long
async def test_no_order_is_doubled_or_lost_when_the_primary_is_lost_in_the_middle_of_its_commits(
    swallower_and_stack: tuple[Swallower, Proxy, Stack], faults_seed: str, tmp_path: Path
) -> None:
    swallower, proxy, stack = swallower_and_stack
    told = tmp_path / "told.jsonl"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=500)) as session:
        shop = Shop(session, stack.url("edge"), Tokens.load(stack.name))
        for sku in SKUS:
            await shop.stock_up(STOCKED, sku=sku)
        load = Load(shop, told, SKUS, faults_seed)
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run(10**6, PER_SECOND))
            await asyncio.sleep(CALM_SECONDS)
            swallower.on = True
            await asyncio.to_thread(stack.freeze, postgres.REPLICA)
            await asyncio.sleep(AMBIGUOUS_SECONDS)
            proxy.close()
            await destroy_primary(stack)
            await asyncio.to_thread(stack.resume, postgres.REPLICA)
            await promote_standby(stack)
            await asyncio.sleep(AFTERWARDS_SECONDS)
            load.stop()
    await rebuild(stack)

    verdict = await verify(stack.name, told, wait_seconds=REST_SECONDS)

    print(f"{swallower.swallowed} replies swallowed, {load.answers}")
    assert verdict.ok, f"verify is red\n{verdict}"
    assert swallower.swallowed > 0
    assert verdict.counts("terminal")["accepted"] == len({told.key for told in load.accepted.values()})
