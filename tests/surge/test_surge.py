"""Ten times what the stack can do, for half a minute: as much gets done as before, and who is refused hears it at once.

What is measured is printed (`-s`), and only ratios and the refusals' delay are asserted.
"""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from bearer import Tokens
from native import Stack, free_base
from native.layout import PYTHON
from outside.books import Books, open_books
from outside.shop import Shop, fresh
from outside.waiting import eventually
from surge.clients import Crowd, of, typical

CLIENTS = 64
MEASURED_SECONDS = 30.0
SETTLING_SECONDS = 5.0
TIMES = 10
GOODPUT_SHARE = 0.9
REFUSED_SECONDS = 0.05
AS_BEFORE = 1.5
AFTERWARDS_SECONDS = 120
REFUSALS = (429, 503)
CONFIRMED = "SELECT count(*) FROM outbox WHERE type = 'order.confirmed.v1'"
PENDING = "SELECT count(*) FROM orders WHERE status = 'pending'"
UNSENT = "SELECT count(*) FROM notifications WHERE status = 'waiting'"

pytestmark = pytest.mark.surge


@pytest.fixture(scope="module")
def surge_stack() -> Iterator[Stack]:
    """One instance of everything, with its default settings."""
    stack = Stack("surge", base_port=free_base())
    stack.down(volumes=True)
    stack.up()
    yield stack
    stack.down(volumes=True)


@pytest.fixture(scope="module")
async def books(surge_stack: Stack) -> AsyncIterator[Books]:
    async with open_books(surge_stack) as books:
        yield books


@pytest.fixture(scope="module")
async def shop(surge_stack: Stack) -> AsyncIterator[Shop]:
    async with aiohttp.ClientSession() as session:
        yield Shop(session, surge_stack.url("edge"), Tokens.load(surge_stack.name))


async def confirmed_per_second(books: Books, crowd: "asyncio.Task[object]") -> float:
    """What is carried all the way to a confirmed order, while the crowd is at it."""
    await asyncio.sleep(SETTLING_SECONDS)
    before, began = await books.value("orders", CONFIRMED), time.monotonic()
    await crowd
    after = await books.value("orders", CONFIRMED)
    return float((after - before) / (time.monotonic() - began))


async def at_rest(books: Books) -> None:
    for database, question in (("orders", PENDING), ("notifications", UNSENT)):
        await eventually(
            lambda d=database, q=question: books.value(d, q),  # type: ignore[misc]
            lambda count: count == 0,
            seconds=180,
            poll_seconds=0.5,
        )


async def lone_seconds(shop: Shop, sku: str) -> float:
    """The middle one of eleven orders, each placed alone."""
    took = []
    for _ in range(11):
        began = time.perf_counter()
        await shop.placed(fresh("customer"), {sku: 1})
        took.append(time.perf_counter() - began)
    return sorted(took)[5]


def verified(stack: Stack) -> "subprocess.CompletedProcess[str]":
    """The ten invariants."""
    command = [str(PYTHON), "-m", "verify", "--stack", stack.name, "--wait", "60"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


async def test_a_surge_is_refused_early_and_as_much_gets_done_as_without_it(
    surge_stack: Stack, books: Books, shop: Shop
) -> None:
    sku = await eventually(lambda: shop.stock_up(1_000_000), bool)
    crowd = Crowd(surge_stack.ports["edge"], sku, shop.tokens)
    await crowd.closed(CLIENTS, SETTLING_SECONDS)  # to warm up
    await at_rest(books)
    before = await lone_seconds(shop, sku)

    calm = asyncio.create_task(crowd.closed(CLIENTS, MEASURED_SECONDS))
    capacity = await confirmed_per_second(books, calm)
    await at_rest(books)
    surge = asyncio.create_task(crowd.open(TIMES * capacity, MEASURED_SECONDS))
    goodput = await confirmed_per_second(books, surge)

    asked = surge.result()
    refused, accepted = of(asked, *REFUSALS), of(asked, 202)
    print(f"\nunsurged: {capacity:.0f} orders/s; {len(of(calm.result(), *REFUSALS))} refused")
    print(f"surge: {len(asked) / MEASURED_SECONDS:.0f} asked for/s, {len(accepted) / MEASURED_SECONDS:.0f} accepted/s")
    print(f"goodput: {goodput:.0f} orders/s, {goodput / capacity:.0%}; refused: {len(refused)}")
    print(f"median of a refusal {typical(asked, *REFUSALS) * 1000:.0f} ms, of a 202 {typical(asked, 202):.2f} s")
    await at_rest(books)
    checked = await asyncio.to_thread(verified, surge_stack)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert goodput >= GOODPUT_SHARE * capacity
    assert typical(asked, *REFUSALS) < REFUSED_SECONDS
    assert {each.status for each in asked} <= {202, *REFUSALS}
    await eventually(
        lambda: lone_seconds(shop, sku), lambda seconds: seconds <= AS_BEFORE * before, seconds=AFTERWARDS_SECONDS
    )
