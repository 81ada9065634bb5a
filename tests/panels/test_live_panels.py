"""On a running stack, under a mixed load with faults: no panel is empty, what breaks is told, and the telling ends."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from faults.verdict import verify

from bearer import Tokens
from meters import fault, tell
from native import Stack
from observe.preview import Prometheus, draw_all
from outside.provider import Provider
from outside.shop import Shop
from outside.waiting import eventually
from panels.traffic import STOCKED, MeteredShop, traffic
from panels.watch import Alarms

SKUS = tuple(f"ticket-{number}" for number in range(8))
OF_PROVIDER = ("CircuitBreakerOpen", "EffectsStalled")
OF_STOPPED_SERVICE = ("TargetDown", "BackendWithoutServer", "QueueWithoutConsumer")
OF_REDIS = ("RedisAway",)
OF_STANDBY = ("NoSynchronousStandby", "ReplicaNotStreaming", "ReplicaUnusable")
OF_BROKER = ("OutboxStalled", "SagasInTimeBurning (lab)")
OF_VERIFY = ("InvariantViolated",)
ALL = (*OF_PROVIDER, *OF_STOPPED_SERVICE, *OF_REDIS, *OF_STANDBY, *OF_BROKER, *OF_VERIFY)


async def test_every_panel_shows_data_and_every_fault_is_told(
    panels_stack: Stack, panels_session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    stack, session, told = panels_stack, panels_session, tmp_path / "told.jsonl"
    prometheus, began = Prometheus(stack.url("prometheus")), time.time()
    gateway = stack.url("pushgateway")
    tokens = Tokens.load(stack.name)
    await stocked(Shop(session, stack.url("edge"), tokens))
    shop = MeteredShop(session, stack.url("edge"), tokens)
    async with Alarms(prometheus).watching() as alarms, traffic(shop, stack.ports["load"], told, SKUS):
        async with Provider(session, stack.url("provider")).faults(down=True):
            await alarms.fire(*OF_PROVIDER)
        async with away(stack, "notification", "notification-2"), away(stack, "redis"):
            await alarms.fire(*OF_STOPPED_SERVICE, *OF_REDIS)
        async with away(stack, standby(stack)):
            await alarms.fire(*OF_STANDBY)
        async with away(stack, "rabbitmq"):
            await alarms.fire(*OF_BROKER)
        tell(gateway, {3: 1}, 0.1)
        await alarms.fire(*OF_VERIFY)
        await eventually(lambda: mails_to_on_call(session, stack), bool, seconds=60)
        verdict = await verify(stack.name, told, wait_seconds=1)  # not at rest: it tells the Pushgateway all the same
        assert verdict.invariants
        tell(gateway, dict.fromkeys(range(11), 0), 0.1)
        await alarms.end(ALL)
        minutes = (time.time() - began) / 60
        out = Path(os.environ.get("PANELS_OUT", tmp_path))
        assert await asyncio.to_thread(draw_all, prometheus, minutes, out) == []
    final = await verify(stack.name, told, wait_seconds=90)
    assert final.ok, str(final)


@asynccontextmanager
async def away(stack: Stack, *components: str) -> AsyncIterator[None]:
    """Inside, these are stopped, and dashboards show it."""
    gateway = stack.url("pushgateway")
    await asyncio.gather(*(asyncio.to_thread(stack.stop, name) for name in components))
    try:
        with fault(gateway, "stop", components[0]):
            yield
    finally:
        await asyncio.gather(*(asyncio.to_thread(stack.start, name) for name in components))


def standby(stack: Stack) -> str:
    """The Postgres node that follows."""
    return next(name for name in ("postgres-1", "postgres-2") if stack.ports[name] != primary_port(stack))


def primary_port(stack: Stack) -> int:
    """Where the leading node listens."""
    return int(stack.sql("SHOW port"))


async def stocked(shop: Shop) -> None:
    """Products to sell, and one that is sold out."""
    for sku in SKUS:
        await shop.stock_up(STOCKED, sku=sku)
    await shop.stock_up(0, sku="sold-out")


async def mails_to_on_call(session: aiohttp.ClientSession, stack: Stack) -> bool:
    """Whether an alert has arrived as a mail."""
    query = "query=to:on-call@quicksand.example"
    async with session.get(f"{stack.url('mailsink')}/api/v1/search?{query}") as answer:
        return bool((await answer.json())["messages"])
