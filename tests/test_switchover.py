"""The lead is handed over from one Postgres node to the other while orders flow: `make failover`."""

import asyncio
from pathlib import Path

from faults.clustered import clustered

ORDERS = 20


async def test_orders_flow_on_through_a_switchover_and_no_service_restarts(tmp_path: Path) -> None:
    async with clustered("-switchover", tmp_path / "told.jsonl", "switchover") as system:
        before, services = system.stack.primary, system.services()

        async with system.under_load():
            await system.ordered(ORDERS)
            await asyncio.to_thread(system.stack.failover)
            await system.ordered(ORDERS)

        assert system.stack.primary != before
        assert system.services() == services
        assert all(system.stack.is_ready(name) for name in system.stack.programs)
        await system.verified()
