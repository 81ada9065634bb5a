"""A stack of the live check's own: what it does to one would disturb every other test."""

import os
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from faults.conftest import SETTINGS, alone

from native import Stack, free_base


@pytest.fixture(scope="session")
def panels_stack() -> Iterator[Stack]:
    """Two replicas of each service, Postgres under Patroni; KEEP_STACK=1 leaves it running."""
    keep, name = "KEEP_STACK" in os.environ, os.environ.get("PANELS_STACK", "panels")
    stack = Stack(name)
    with alone(stack):
        if not stack.running:
            stack = Stack(name, base_port=free_base())
        stack.up(replicas=2, settings=SETTINGS)
        yield stack
        if not keep:
            stack.down(volumes=True)


@pytest.fixture(scope="session")
async def panels_session() -> AsyncIterator[aiohttp.ClientSession]:
    """One HTTP client for all."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=500)) as session:
        yield session
