"""SIGTERM to a service's replicas in turn, twice, all services at once, while orders flow: no customer notices, and no
event is handled again.
"""

import asyncio

import pytest

from faults.system import System
from native.ports import SERVICES

ROUNDS = 2


async def rolled(system: System, service: str) -> None:
    """Update one replica after the other, each as soon as the one before is ready; they must end by themselves."""
    for component in ROUNDS * system.replicas(service):
        await asyncio.to_thread(system.stack.stop, component)
        status = system.stack.supervisor.process(component)["exitstatus"]
        assert status == 0, f"{component} ended with {status}"
        await asyncio.to_thread(system.stack.start, component)


@pytest.mark.faults_long
async def test_stopping_every_replica_in_turn_fails_no_request_and_repeats_no_event(system: System) -> None:
    load = system.load()
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run(10**6, system.per_second))
        await asyncio.gather(*(rolled(system, service) for service in SERVICES))
        load.stop()

    assert set(load.answers) == {202}
    verdict = await system.verified()
    assert verdict.counts("terminal")["accepted"] == len(load.accepted)
    assert verdict.counts("deliveries")["repeated"] == 0
