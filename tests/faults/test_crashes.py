"""A process dies at each of its crash points while orders flow: its supervisor starts it again, and nothing is lost."""

import asyncio
import random
import signal
import subprocess
from collections.abc import Sequence

import pytest

from faults.crash_points import CORE, EVERY, SERVICES_OF
from faults.system import System
from faults.together import together
from native import jobs, passwords
from native.layout import PYTHON
from outside.waiting import eventually

FEW, MANY = 60, 300
EARLY, SOMETIME = range(3, 11), range(5, 25)  # at which pass: how soon it comes depends on the size of batches
SWEEPS = range(14, 17)  # one a second; orders expire after ten
PENDING = "SELECT count(*) FROM orders WHERE status = 'pending'"


def choice(system: System) -> random.Random:
    """Repeatable choices of a test."""
    return random.Random(system.seed)  # noqa: S311  no secret


async def crashed(system: System, point: str, services: Sequence[str], orders: int, passes: range) -> None:
    """In each of the services, the replica that has the queues dies at a pass of the point."""
    choose = choice(system)
    victims = [choose.choice(system.replicas(service)) for service in services]
    faults = [f"crash:{point}:{choose.choice(passes)}" for _ in victims]
    by_hand = [system.by_hand(replica, fault=fault) for replica, fault in zip(victims, faults, strict=True)]
    async with together(by_hand) as processes, asyncio.TaskGroup() as restarts, system.ordering(orders) as load:
        for replica, process in zip(victims, processes, strict=True):
            await process.died()
            restarts.create_task(system.ready(replica))  # what its supervisor does, but without the fault

    verdict = await system.verified()

    assert verdict.counts("terminal")["accepted"] == len(load.accepted)


@pytest.mark.parametrize(("point", "service"), CORE)
async def test_a_crash_loses_and_repeats_nothing(point: str, service: str, system: System) -> None:
    await crashed(system, point, [service], FEW, EARLY)


@pytest.mark.faults_long
@pytest.mark.parametrize("point", EVERY)
async def test_a_crash_of_every_service_among_300_orders_loses_and_repeats_nothing(point: str, system: System) -> None:
    await crashed(system, point, SERVICES_OF[point], MANY, SOMETIME)


@pytest.mark.faults_long
async def test_a_sweeper_that_dies_leaves_the_overdue_orders_to_the_other(system: System) -> None:
    replica = choice(system).choice(system.replicas("order"))
    await system.gone(*system.replicas("payment"))
    try:
        fault = f"crash:sweeper.before_commit:{choice(system).choice(SWEEPS)}"
        async with system.by_hand(replica, fault=fault) as process:
            await system.placed(MANY)
            await process.died()
            await system.ready(replica)
            await eventually(lambda: system.books.value("orders", PENDING), lambda orders: orders == 0)
    finally:
        await system.ready(*system.replicas("payment"))

    verdict = await system.verified()

    assert verdict.counts("terminal")["cancelled"] == MANY


@pytest.mark.faults_long
async def test_a_topology_job_that_dies_is_simply_run_again(system: System) -> None:
    for partition in range(4):
        queue = f"notification.p{partition:02d}"
        system.broker.delete("bindings", "payments", "e", "events", "q", queue, f"p{partition:02d}.payment.refunded.v1")

    assert (await asyncio.to_thread(topology_job, system, "crash:topology.after_first:1")) == -signal.SIGKILL
    assert (await asyncio.to_thread(topology_job, system, "")) == 0

    await system.placed(MANY)
    await system.verified()


def topology_job(system: System, fault: str) -> int:
    """Run it as the stack does; its exit status."""
    layout = system.stack.layout
    variables = jobs.environment(layout) | {
        "QS_SECRETS_DIR": str(passwords.directory(layout, "topology")),
        "QS_MANAGEMENT_URL": system.stack.url("rabbitmq"),
    }
    command = (str(PYTHON), "-m", "topology", "apply")
    return subprocess.run(command, env=variables | ({"FAULT": fault} if fault else {}), cwd="/", check=False).returncode
