"""kill -9 of both replicas of each service, of the broker and of the database's replica, while orders flow."""

import asyncio
from itertools import chain

import pytest

from faults.system import System


async def killed_one_after_the_other(system: System, victims: list[tuple[str, ...]], orders: int) -> None:
    """Each is killed when its share of the orders has been sent, and comes back by its supervisor."""
    seconds = orders / system.per_second / (len(victims) + 1)
    async with asyncio.TaskGroup() as group:
        flowing = group.create_task(system.placed(orders))
        for components in victims:
            await asyncio.sleep(seconds)
            assert not flowing.done(), "the orders must still flow"
            for component in components:
                await asyncio.to_thread(system.stack.kill, component)
    for component in chain.from_iterable(victims):
        await asyncio.to_thread(system.stack.wait_ready, component)

    verdict = await system.verified()

    assert verdict.counts("terminal")["accepted"] == orders


def services(system: System) -> list[tuple[str, ...]]:
    """Each service, with all its replicas."""
    return [tuple(system.replicas(service)) for service in ("order", "payment", "notification")]


async def test_the_broker_and_the_database_replica_may_be_killed(system: System) -> None:
    await killed_one_after_the_other(system, [("rabbitmq",), ("postgres-replica",)], 120)


@pytest.mark.faults_long
async def test_everything_but_the_primary_may_be_killed_while_1000_orders_flow(system: System) -> None:
    await killed_one_after_the_other(system, [*services(system), ("rabbitmq",), ("postgres-replica",)], 1000)
