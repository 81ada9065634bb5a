"""The Postgres node that leads is lost as a whole, with Patroni and everything under it, and comes back later."""

import asyncio
from pathlib import Path

import pytest

from faults.clustered import Clustered, clustered
from native import StackError
from outside.waiting import eventually

ORDERS = 20
TAKEN_OVER_SECONDS = 45.0  # the leader's key lasts for 20


@pytest.mark.faults_long
async def test_nothing_is_lost_with_the_primary_and_it_comes_back_as_the_standby(
    faults_seed: str, tmp_path: Path
) -> None:
    async with clustered("-node", tmp_path / "told.jsonl", faults_seed) as system:
        lost, services = system.stack.primary, system.services()

        async with system.under_load():
            await system.ordered(ORDERS)
            await asyncio.to_thread(lose, system, lost)
            await eventually(lambda: primary(system), lambda now: now not in {None, lost}, seconds=TAKEN_OVER_SECONDS)
            await system.ordered(ORDERS)
            await asyncio.to_thread(system.stack.start, lost)  # returns when it follows synchronously
            await system.ordered(ORDERS)

        assert system.stack.primary != lost
        assert system.services() == services
        await system.verified()


def lose(system: Clustered, node: str) -> None:
    """kill -9, at one instant, and nobody starts it again."""
    system.stack.kill(node)
    system.stack.supervisor.stop([node])


async def primary(system: Clustered) -> str | None:
    """Who leads now."""
    try:
        return await asyncio.to_thread(lambda: system.stack.primary)
    except StackError:
        return None
