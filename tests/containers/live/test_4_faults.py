"""Every container in turn is killed, frozen or restarted while orders flow at a third of what the stack carries."""

import asyncio
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import aiohttp
import pytest
from faults import capacity
from faults.load import Load
from faults.verdict import verify

from bearer import Tokens
from compose import Project
from containers.live.conftest import memory, say, told_file
from native.ports import HOST
from outside.books import Books
from outside.shop import Shop

FROZEN_SECONDS = 6.0
PAUSE_SECONDS = 2.0
REST_SECONDS = 180.0
MANY = 1_000_000
SKUS = tuple(f"ticket-{number}" for number in range(8))
PROMISED = 20  # the least that makes a verdict worth something

# What matters most is broken in every way, the rest in one way each.
CORE = ("order", "payment", "notification", "postgres-1", "postgres-2", "rabbitmq")
WAYS = ("kill", "freeze", "restart")


def attacks(project: Project) -> Iterator[tuple[str, str]]:
    """Component and way."""
    for name in CORE:
        for way in WAYS:
            yield name, way
    yield from zip((name for name in project.components if name not in CORE), cycle(WAYS), strict=False)


async def attack(project: Project, component: str, way: str) -> None:
    """Break it, and wait until everything is ready again."""
    await asyncio.to_thread(getattr(project, way), component)
    if way == "freeze":
        await asyncio.sleep(FROZEN_SECONDS)
        await asyncio.to_thread(project.resume, component)
    for name in project.components:
        await asyncio.to_thread(project.wait_ready, name)
    await asyncio.sleep(PAUSE_SECONDS)  # orders flow through the whole stack again


async def test_whatever_is_broken_nothing_is_lost(
    project: Project, session: aiohttp.ClientSession, books: Books, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    shop = Shop(session, f"http://{HOST}:{project.port('EDGE_PORT')}", Tokens.load(project.name))
    pace = await capacity.per_second(shop, books)
    for sku in SKUS:
        await shop.stock_up(MANY, sku=sku)
    told = told_file(tmp_path)
    load = Load(shop, told, SKUS, "containers")
    say(request, f"{pace:.0f} orders a second, a third of what the stack carries now")

    async with asyncio.TaskGroup() as group:
        group.create_task(load.run(MANY, pace))
        for component, way in attacks(project):
            await attack(project, component, way)
            say(request, f"  {way:<8}{component:<22}{len(load.accepted)} orders so far")
        used = await asyncio.to_thread(memory, project)
        load.stop()

    say(request, "\n".join(f"{name:<22}{size}" for name, size in used.items()))
    assert len(load.accepted) > PROMISED, load.answers
    verdict = await verify(project.name, told, wait_seconds=REST_SECONDS)
    assert verdict.ok, f"verify is red\n{verdict}"


async def test_a_planned_switchover_while_orders_flow_loses_nothing(
    project: Project, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    shop = Shop(session, f"http://{HOST}:{project.port('EDGE_PORT')}", Tokens.load(project.name))
    told = told_file(tmp_path)
    load = Load(shop, told, SKUS, "switchover")
    led = project.primary

    async with asyncio.TaskGroup() as group:
        group.create_task(load.run(MANY, capacity.LEAST_PER_SECOND))
        await asyncio.to_thread(project.failover)
        load.stop()

    assert project.primary != led
    assert load.accepted
    verdict = await verify(project.name, told, wait_seconds=REST_SECONDS)
    assert verdict.ok, f"verify is red\n{verdict}"
