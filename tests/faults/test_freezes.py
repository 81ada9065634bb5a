"""One replica stops in the middle of its work for a minute: the others take over, and its waking up does no harm.

And the broker stands still until its clients give their connections up: everything goes on when it does.
"""

import asyncio
import random
import time
from contextlib import AsyncExitStack
from datetime import datetime

import pytest

from faults.byhand import ByHand
from faults.system import System
from faults.takeover import measured
from outside.waiting import eventually

TAKE_OVER_SECONDS = 15.0
# A command's stock rows are needed by other orders, too: freed by two of Postgres' time-outs in a row, 5 and 10 s.
TAKE_OVER_FROM_COMMAND_SECONDS = 25.0
FREEZE_SECONDS = 60.0
PER_SECOND = 8.0  # for two minutes, on every partition
AFTERWARDS = 40  # orders
PASSES = range(4, 10)

# The order service calls nobody outside; it is frozen in the middle of a command instead, with its stock rows locked.
MOMENTS = {
    "mid-batch": dict.fromkeys(("payment", "order", "notification"), "consumer.before_commit"),
    "mid-publish": dict.fromkeys(("payment", "order", "notification"), "relay.after_send"),
    "mid-effect": {
        "payment": "effects.after_answer",
        "order": "http.before_commit",
        "notification": "effects.after_answer",
    },
}


async def frozen_one_after_the_other(system: System, points: dict[str, str], seconds: float) -> None:
    """A replica of each service stops at its point, when the one before has been replaced; at last all go on."""
    choose = random.Random(system.seed)  # noqa: S311  a choice that can be repeated
    load = system.load()
    async with asyncio.TaskGroup() as group, AsyncExitStack() as stack:
        group.create_task(load.run(10**6, PER_SECOND))
        frozen: list[ByHand] = []
        for service, point in points.items():
            fault = f"freeze:{point}:{choose.choice(PASSES)}"
            frozen.append(
                await stack.enter_async_context(system.by_hand(choose.choice(system.replicas(service)), fault=fault))
            )
            await frozen[-1].froze()
            started = time.monotonic()
            since: datetime = await system.books.value("orders", "SELECT clock_timestamp()")
            took = await measured(system, service, since)
            print(f"{service} at {point}: {took}")
            limit = TAKE_OVER_FROM_COMMAND_SECONDS if point.startswith("http.") else TAKE_OVER_SECONDS
            assert took.slowest <= limit, f"{service} at {point}: {took}"
        await asyncio.sleep(started + seconds - time.monotonic())
        for process in frozen:
            process.resume()
        for process in frozen:
            await process.serves()
        load.stop()
        await system.placed(AFTERWARDS)
        await system.verified()


@pytest.mark.faults_long
@pytest.mark.parametrize("moment", MOMENTS)
async def test_replicas_that_freeze_for_a_minute_are_replaced_and_do_no_harm_when_they_wake(
    moment: str, system: System
) -> None:
    await frozen_one_after_the_other(system, MOMENTS[moment], FREEZE_SECONDS)


@pytest.mark.faults_long
async def test_a_broker_that_stands_still_until_it_is_given_up_is_worked_with_again(system: System) -> None:
    async def given_up() -> bool:
        """A service without its connection to publish is not ready."""
        return not any([await asyncio.to_thread(system.stack.is_ready, name) for name in system.everything])

    load = system.load()
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run(10**6, PER_SECOND))
        await asyncio.sleep(AFTERWARDS / PER_SECOND)  # the relays are at work
        system.stack.freeze("rabbitmq")
        await eventually(given_up, bool)
        system.stack.resume("rabbitmq")
        for name in system.everything:
            await asyncio.to_thread(system.stack.wait_ready, name)
        load.stop()
    await system.placed(AFTERWARDS)
    await system.verified()
