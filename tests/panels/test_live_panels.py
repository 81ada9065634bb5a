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
from meters import tell
from native import Stack
from native.layout import CHECKOUT, PYTHON
from observe.preview import PreviewError, Prometheus, draw_all
from observe.preview.prometheus import Series
from outside.provider import Provider
from outside.shop import Shop
from outside.waiting import eventually
from panels.traffic import STOCKED, MeteredShop, traffic
from panels.watch import PATIENCE_SECONDS, Alarms

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
        async with away(stack, prometheus, "notification", "notification-2", "redis"):
            await alarms.fire(*OF_STOPPED_SERVICE, *OF_REDIS)
        async with away(stack, prometheus, standby(stack)):
            await alarms.fire(*OF_STANDBY)
        async with away(stack, prometheus, "rabbitmq"):
            await alarms.fire(*OF_BROKER)
        await by_hand(stack, "kill", "payment-2")
        killed = 'max_over_time(faults_active{fault="kill",target="payment-2"}[5m])'
        await eventually(lambda: shown(prometheus, killed), bool)
        await told_by_verify(gateway, {3: 1})
        await alarms.fire(*OF_VERIFY)
        await eventually(lambda: mails_to_on_call(session, stack), bool, seconds=PATIENCE_SECONDS)
        verdict = await verify(stack.name, told, wait_seconds=1)  # not at rest: it tells the Pushgateway all the same
        assert verdict.invariants
        await told_by_verify(gateway, dict.fromkeys(range(11), 0))
        await alarms.end(ALL)
        minutes = (time.time() - began) / 60
        out = Path(os.environ.get("PANELS_OUT", tmp_path))
        assert await asyncio.to_thread(draw_all, prometheus, minutes, out) == []
    final = await verify(stack.name, told, wait_seconds=PATIENCE_SECONDS)
    assert final.ok, str(final)


@asynccontextmanager
async def away(stack: Stack, prometheus: Prometheus, *components: str) -> AsyncIterator[None]:
    """Inside, these are stopped as a person stops them, and Prometheus is told so; outside, neither."""
    ours = f'faults_active{{fault="stop",target=~"{"|".join(components)}"}}'
    await asyncio.gather(*(by_hand(stack, "stop", name) for name in components))
    try:
        await eventually(lambda: shown(prometheus, ours), lambda found: len(found) == len(components))
        yield
    finally:
        await asyncio.gather(*(by_hand(stack, "start", name) for name in components))
    await eventually(lambda: shown(prometheus, ours), lambda found: not found)


async def by_hand(stack: Stack, *words: str) -> None:
    """What `make` runs: by_hand(stack, "kill", "order")."""
    command = (str(PYTHON), "-m", "runtime", *words)
    process = await asyncio.create_subprocess_exec(*command, cwd=CHECKOUT, env={**os.environ, "STACK": stack.name})
    assert await process.wait() == 0, words


async def shown(prometheus: Prometheus, query: str) -> list[Series]:
    """What Prometheus answers now; nothing, while it is too busy to."""
    try:
        return await asyncio.to_thread(prometheus.at, query, time.time())
    except PreviewError:
        return []


async def told_by_verify(gateway: str, violations: dict[int, int]) -> None:
    """As if `verify` had found this."""

    async def arrives() -> bool:
        return await asyncio.to_thread(tell, gateway, violations, 0.1)

    await eventually(arrives, bool)


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
