"""The lead is handed over from one Postgres node to the other while orders flow: `make failover`."""

import asyncio
from pathlib import Path

import pytest

from faults.clustered import clustered
from outside.shop import Shop, fresh

ORDERS = 20
PAIRS = 100


@pytest.mark.faults_long
async def test_orders_flow_on_through_a_switchover_and_no_service_restarts(tmp_path: Path) -> None:
    async with clustered("-switchover", tmp_path / "told.jsonl", "switchover") as system:
        before, services = system.stack.primary, system.services()

        async with system.under_load():
            await system.ordered(ORDERS)
            assert await stale_reads(system.shop) == 0
            await asyncio.to_thread(system.stack.failover)
            assert await stale_reads(system.shop) == 0
            await system.ordered(ORDERS)

        assert system.stack.primary != before
        assert system.services() == services
        for name in system.stack.programs:
            await asyncio.to_thread(system.stack.wait_ready, name)
        await system.verified()


async def stale_reads(shop: Shop) -> int:
    """How often a customer reads less than they wrote, though they send their token on: from before a failover, too."""
    sku, stale = fresh("sku"), 0
    for cents in range(1, PAIRS + 1):
        await shop.stock_up(1, price_cents=cents, sku=sku)
        read = await shop.ask("GET", f"/products/{sku}")
        stale += read.json()["price_cents"] != cents
    return stale
