"""The stories: each places one order, does to it what its title says, and returns it when its end has come."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from demo.chain import Chains
from demo.machine import HastyOrders, frozen
from demo.provider import Provider
from demo.shop import Product, Shop
from runtime import Running

PRODUCTS = (
    Product("concert-floor", "Concert, on the floor", 4_500),
    Product("concert-balcony", "Concert, on the balcony", 6_000),
    Product("festival-day", "Festival, one day", 12_900),
)
SLOW_MS = 1500
"""Longer than it takes to change one's mind, shorter than the payment service waits."""


@dataclass(frozen=True)
class Stage:
    """What the stories are played with. `stack` and `hasty` are missing where nothing can be frozen."""

    shop: Shop
    provider: Provider
    chains: Chains
    stack: Running | None
    hasty: HastyOrders | None


Story = Callable[[Stage], Awaitable[UUID]]


async def paid(stage: Stage) -> UUID:
    """A good card: confirmed"""
    order = await stage.shop.place({"concert-floor": 2, "festival-day": 1}, "tok_ok")
    await stage.shop.wait_until(order, "confirmed")
    return order


async def declined(stage: Stage) -> UUID:
    """A card that its bank declines: cancelled, the stock is available again"""
    return await _declined(stage, "tok_declined")


async def poor(stage: Stage) -> UUID:
    """A card without the money: the same, with another reason"""
    return await _declined(stage, "tok_insufficient_funds")


async def _declined(stage: Stage, payment_token: str) -> UUID:
    order = await stage.shop.place({"concert-balcony": 1}, payment_token)
    await stage.shop.wait_until(order, "cancelled")
    return order


async def cancelled_before_capture(stage: Stage) -> UUID:
    """Cancelled while it is being charged (the provider takes 1.5 s): voided, whichever came first"""
    async with stage.provider.faults(latency_ms=SLOW_MS):
        order = await stage.shop.place({"concert-floor": 1}, "tok_ok")
        await stage.chains.asked_for(order, "payment", "charge")
        await stage.shop.cancel(order)
        await stage.chains.asked_for(order, "payment", "void")
    return order


async def cancelled_after_capture(stage: Stage) -> UUID:
    """Cancelled after it was paid: refunded"""
    order = await paid(stage)
    await stage.shop.cancel(order)
    return order


async def expired(stage: Stage) -> UUID:
    """Nobody answers in time (payment is frozen, the order waits 2 s instead of 120): expired"""
    assert stage.stack is not None
    assert stage.hasty is not None
    await stage.hasty.ready()
    with frozen(stage.stack, "payment"):
        order = await stage.shop.place({"festival-day": 2}, "tok_ok", at=stage.hasty.url)
        stage.hasty.stop()
        await stage.shop.wait_until(order, "cancelled")
    return order


EVERYWHERE: tuple[Story, ...] = (paid, declined, poor, cancelled_before_capture, cancelled_after_capture)
