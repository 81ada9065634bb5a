"""Ten times what the stack can do, for half a minute: as much gets done as before, and who is refused hears it at once.

What is measured is printed (`-s`), and only ratios and the refusals' delay are asserted.
"""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from dataclasses import dataclass

import aiohttp
import pytest

from bearer import Tokens
from bench import cpu
from native import Stack, free_base
from native.layout import PYTHON
from outside.books import Books, open_books
from outside.shop import Shop, fresh
from outside.waiting import eventually
from surge.clients import Asked, Crowd, of, typical

CLIENTS = 64
PRODUCTS = 8  # as `make bench`: one alone is bounded by the lock on its stock
MEASURED_SECONDS = 30.0
SETTLING_SECONDS = 5.0
TIMES = 10
GOODPUT_SHARE = 0.9
SENT_SHARE = 0.9  # else it was no surge: all connections were waiting for their answers
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


@dataclass(frozen=True)
class Phase:
    """What was asked in half a minute, what came of it, and who worked for it."""

    asked: list[Asked]
    confirmed_per_second: float
    cores: Mapping[str, float]

    def __str__(self) -> str:
        accepted, refused = of(self.asked, 202), of(self.asked, *REFUSALS)
        used = ", ".join(f"{name} {share:.2f}" for name, share in self.cores.items())
        return (
            f"{len(self.asked) / MEASURED_SECONDS:.0f} asked for/s, {len(accepted) / MEASURED_SECONDS:.0f} accepted/s, "
            f"{self.confirmed_per_second:.0f} confirmed/s, {len(refused)} refused; cores: {used}"
        )


async def phase(stack: Stack, books: Books, crowd: Coroutine[None, None, list[Asked]]) -> Phase:
    """One, and then everything that was accepted comes to its end."""
    before = cpu.sample(stack)
    crowding = asyncio.create_task(crowd)
    per_second = await confirmed_per_second(books, crowding)
    used = cpu.difference(before, cpu.sample(stack))
    await at_rest(books)
    cores = {name: seconds / MEASURED_SECONDS for name, seconds in used.items()}
    return Phase(crowding.result(), per_second, cores)


async def test_a_surge_is_refused_early_and_as_much_gets_done_as_without_it(
    surge_stack: Stack, books: Books, shop: Shop
) -> None:
    skus = [await eventually(lambda: shop.stock_up(1_000_000), bool) for _ in range(PRODUCTS)]
    crowd = Crowd(surge_stack.ports["edge"], skus, shop.tokens)
    await crowd.closed(CLIENTS, SETTLING_SECONDS)  # to warm up
    await at_rest(books)
    lone_before = await lone_seconds(shop, skus[0])

    # Before and after: the machine itself may become faster or slower meanwhile.
    before = await phase(surge_stack, books, crowd.closed(CLIENTS, MEASURED_SECONDS))
    rate = TIMES * before.confirmed_per_second
    surge = await phase(surge_stack, books, crowd.open(rate, MEASURED_SECONDS))
    after = await phase(surge_stack, books, crowd.closed(CLIENTS, MEASURED_SECONDS))

    capacity = (before.confirmed_per_second + after.confirmed_per_second) / 2
    refusal, acceptance = typical(surge.asked, *REFUSALS), typical(surge.asked, 202)
    print(f"\nbefore: {before}\nsurge:  {surge}\nafter:  {after}")
    print(f"goodput {surge.confirmed_per_second / capacity:.0%} of the unsurged {capacity:.0f} orders/s")
    print(f"median of a refusal {refusal * 1000:.1f} ms, of a 202 {acceptance:.2f} s")
    checked = await asyncio.to_thread(verified, surge_stack)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert len(surge.asked) >= SENT_SHARE * rate * MEASURED_SECONDS
    assert surge.confirmed_per_second >= GOODPUT_SHARE * capacity
    assert refusal < REFUSED_SECONDS
    assert {each.status for each in surge.asked} <= {202, *REFUSALS}
    await eventually(
        lambda: lone_seconds(shop, skus[0]), lambda took: took <= AS_BEFORE * lone_before, seconds=AFTERWARDS_SECONDS
    )
