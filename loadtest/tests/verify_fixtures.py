"""Fixtures of the tests of `verify` and `demo`: a plugin, because a stack's orders are made once for all of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from verify_world import World

from bearer import Tokens
from demo import stories
from demo.chain import Chains
from demo.provider import Provider
from demo.shop import Shop
from demo.stories import Stage
from native import Stack
from verify import database, rest, subscriptions, told
from verify.addresses import Addresses

UNMAILABLE = "refused-for-good@mail.example"  # the mail sink refuses whoever is called so


@pytest.fixture(scope="session")
def addresses(stack: Stack) -> Addresses:
    """Where the tests' stack is."""
    return Addresses.load(stack.name)


@pytest.fixture(scope="session")
async def stage(stack: Stack, addresses: Addresses, record: Path) -> AsyncIterator[Stage]:
    """What the demonstration's stories are played with."""
    with told.Recorder(record) as recorder:
        async with database.connect(addresses) as databases, aiohttp.ClientSession() as http:
            shop = Shop(http, addresses.edge, recorder, Tokens.load(stack.name))
            for product in stories.PRODUCTS:
                await shop.stock_up(product)
            chains = Chains(databases.primary, subscriptions.declared())
            yield Stage(shop, Provider(http, addresses.provider), chains, stack, None)


@pytest.fixture(scope="session")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the clients' answers are written down."""
    return tmp_path_factory.mktemp("verify") / "told.jsonl"


@pytest.fixture(scope="session")
async def world(stack: Stack, addresses: Addresses, stage: Stage, record: Path) -> World:
    """One order of every kind, each at its end."""
    played = [
        await story(stage)
        for story in (stories.paid, stories.declined, stories.cancelled_before_capture, stories.cancelled_after_capture)
    ]
    with told.Recorder(record) as recorder:
        async with aiohttp.ClientSession() as http:
            shop = Shop(http, addresses.edge, recorder, Tokens.load(stack.name), UNMAILABLE)
            played.append(await shop.place({"concert-floor": 1}, "tok_ok"))
    for order in played:
        await stage.chains.complete(order)
    return World(stack, addresses, record, *played)


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two samples are taken sooner after each other: the world is at rest anyway."""
    monkeypatch.setattr(rest, "INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr(rest, "STATISTICS_AGE_SECONDS", 0.2)
