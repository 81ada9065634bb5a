"""One run: lone orders, a warm-up, the load, the limit."""

import math
import os
import time
from dataclasses import dataclass
from uuid import UUID

from bench import cpu, limit
from bench.shop import Order, Shop
from bench.watch import Watch
from runtime import Running

LONE_ORDERS = 10
WARM_UP_ORDERS = 200


@dataclass(frozen=True)
class Load:
    """What the load showed; seconds throughout. `to_last_mail` and `to_rest` count from the first POST."""

    orders: list[Order]
    to_last_mail: float
    to_rest: float
    completions: list[float]
    cpu: dict[str, float]

    @property
    def accepted(self) -> int:
        """How many orders the shop took."""
        return sum(order.id is not None for order in self.orders)

    @property
    def sagas_per_second(self) -> float:
        """Orders carried all the way, from the first POST to the last mail."""
        return self.accepted / self.to_last_mail


@dataclass(frozen=True)
class Results:
    """Everything one run measured."""

    lone: list[float]
    load: Load
    limit: limit.Limit


async def run(stack: Running, orders: int, concurrency: int) -> tuple[Results, list[Order]]:
    """Measure. Returns the results and every order that was placed, the uncounted ones too."""
    shop = Shop(stack)
    await shop.stock()
    async with Watch(stack) as watch, shop.slow_provider():
        warm_up = await settled(shop, watch, WARM_UP_ORDERS, concurrency, "warm")
        lone, alone = await _lone(shop, watch)
        load = await under_load(stack, shop, watch, orders, concurrency)
    return Results(lone, load, limit.measure(stack)), [*warm_up, *alone, *load.orders]


async def settled(shop: Shop, watch: Watch, orders: int, concurrency: int, phase: str) -> list[Order]:
    """Place so many and wait until all is at rest; nothing is measured."""
    watch.mark()
    placed = await shop.place(orders, concurrency, phase)
    await watch.rest(len(_accepted(placed)))
    return placed


async def _lone(shop: Shop, watch: Watch) -> tuple[list[float], list[Order]]:
    """Orders one at a time, each with the whole stack to itself."""
    seconds, placed = [], []
    for number in range(LONE_ORDERS):
        watch.mark()
        [order] = await shop.place(1, 1, f"lone{number}")
        await watch.decided(*_accepted([order]))
        seconds.append(time.time() - order.began)
        await watch.rest(1)
        placed.append(order)
    return seconds, placed


async def under_load(stack: Running, shop: Shop, watch: Watch, orders: int, concurrency: int) -> Load:
    """The same, measured."""
    watch.mark()
    before, started = cpu.sample(stack), time.time()
    placed = await shop.place(orders, concurrency, "load")
    accepted = _accepted(placed)
    await watch.rest(len(accepted))
    to_rest, used = time.time() - started, cpu.difference(before, cpu.sample(stack))
    last_mail = (await watch.last_mail()).timestamp()
    return Load(placed, last_mail - started, to_rest, await watch.completions(accepted), used)


def percentile(values: list[float], percent: int) -> float:
    """The measured value that so many percent of them do not exceed."""
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def _accepted(orders: list[Order]) -> list[UUID]:
    """Those that were accepted. Raises `SystemExit` if that is none."""
    accepted = [order.id for order in orders if order.id is not None]
    if not accepted:
        answers = ", ".join(sorted({str(order.status) for order in orders}))
        raise SystemExit(f"the shop took none of {len(orders)} orders (answers: {answers}): see make logs C=order")
    return accepted


def cores() -> int:
    """How many processors the machine has."""
    return os.cpu_count() or 1
