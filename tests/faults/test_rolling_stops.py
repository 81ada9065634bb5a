"""SIGTERM to every replica in turn, twice, while orders flow: no customer notices, and no event is handled again."""

import asyncio

import pytest

from faults.system import System

ROUNDS = 2


async def restarted(system: System, component: str) -> None:
    """Stop it as its supervisor does on an update; it must end by itself, in order."""
    await asyncio.to_thread(system.stack.stop, component)
    status = system.stack.supervisor.process(component)["exitstatus"]
    assert status == 0, f"{component} ended with {status}"
    await asyncio.to_thread(system.stack.start, component)


@pytest.mark.faults_long
async def test_stopping_every_replica_in_turn_fails_no_request_and_repeats_no_event(system: System) -> None:
    load = system.load()
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run(10**6, system.per_second))
        for _ in range(ROUNDS):
            for component in system.everything:
                await restarted(system, component)
        load.stop()

    assert set(load.answers) == {202}
    verdict = await system.verified()
    assert verdict.counts("terminal")["accepted"] == len(load.accepted)
    assert verdict.counts("deliveries")["repeated"] == 0
