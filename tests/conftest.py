"""What every whole-stack test has at hand: the shop at the edge, the outside world's own books, and the databases."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from bearer import Tokens
from native import Stack
from outside.books import Books, open_books
from outside.bus import Bus
from outside.mailbox import Mailbox
from outside.meters import Meters
from outside.provider import Provider
from outside.shop import Shop, fresh

CONNECTIONS = 200  # as many as the test with the most requests at once


@pytest.fixture(scope="session")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """One HTTP client for all."""
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(30)) as session:
        yield session


@pytest.fixture(scope="session")
def shop(stack: Stack, session: aiohttp.ClientSession, tokens: Tokens) -> Shop:
    """The shop's API, at the edge."""
    return Shop(session, stack.url("edge"), tokens)


@pytest.fixture(scope="session")
def provider(stack: Stack, session: aiohttp.ClientSession) -> Provider:
    """The payment provider."""
    return Provider(session, stack.url("provider"))


@pytest.fixture(scope="session")
def mailbox(stack: Stack, session: aiohttp.ClientSession) -> Mailbox:
    """The mail server."""
    return Mailbox(session, stack.url("mailsink"))


@pytest.fixture(scope="session")
async def books(stack: Stack) -> AsyncIterator[Books]:
    """The three databases."""
    async with open_books(stack) as books:
        yield books


@pytest.fixture(scope="session")
def meters(stack: Stack, session: aiohttp.ClientSession) -> Meters:
    """What the services say about themselves."""
    return Meters(stack, session)


@pytest.fixture(scope="session")
def bus(stack: Stack) -> Bus:
    """The broker."""
    return Bus(stack)


@pytest.fixture
def customer() -> str:
    """A customer nobody else is."""
    return fresh("customer")


@pytest.fixture
async def sku(shop: Shop) -> str:
    """A product nobody else sells: 1000 pieces at 12.50 EUR."""
    return await shop.stock_up(1000)
