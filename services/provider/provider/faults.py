"""Faults on demand: everything that goes wrong with a provider, by choice. They live in memory: a restart ends them.

All that keeps a request from being served (down, latency, errors) happens before money moves; a lost answer is lost
after it moved and is on disk. A client cannot tell the two apart, which is the point.
"""

import asyncio
import contextlib
import random
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from provider.cards import SLOW_SECONDS, TOK_DOWN_ONCE, TOK_SLOW
from provider.problems import Problem

Delay = Annotated[int, Field(ge=0, le=60_000)]
Rate = Annotated[float, Field(ge=0, le=1)]


class Faults(BaseModel):
    """What goes wrong at present. Rates are probabilities from 0 to 1."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    latency_ms: Delay = 0
    jitter_ms: Delay = 0
    error_rate: Rate = 0
    decline_rate: Rate = 0
    lost_answer_rate: Rate = 0
    down: bool = False


class Mishaps:
    """Makes the chosen faults happen."""

    def __init__(self) -> None:
        self.faults = Faults()
        self._met: set[tuple[str, str]] = set()
        self._hurrying = asyncio.Event()

    def hurry(self) -> None:
        """End every delay now: the process stops, and finishes what it has accepted."""
        self._hurrying.set()

    async def before_money(self) -> None:
        """Be down, be slow, fail: raises `Problem` before anything is done."""
        faults = self.faults
        if faults.down:
            raise Problem(503, "the provider is down: a fault was asked for")
        delay_ms = faults.latency_ms + faults.jitter_ms * random.random()  # noqa: S311  a fault, not a secret
        if delay_ms:
            await self._delay(delay_ms / 1000)
        if _happens(faults.error_rate):
            raise Problem(500, "the provider failed before any money moved: a fault was asked for")

    async def before_charge(self, payment_token: str, key: str) -> None:
        """What two of the test tokens do to a charge the first time it is tried."""
        if payment_token not in (TOK_SLOW, TOK_DOWN_ONCE) or (payment_token, key) in self._met:
            return
        self._met.add((payment_token, key))
        if payment_token == TOK_DOWN_ONCE:
            raise Problem(503, f"the provider is down once for {TOK_DOWN_ONCE}: try again")
        await self._delay(SLOW_SECONDS)

    def declines(self) -> bool:
        """Whether this charge's card is declined out of hand."""
        return _happens(self.faults.decline_rate)

    def loses_answer(self) -> bool:
        """Whether this answer is lost, now that the money has moved."""
        return _happens(self.faults.lost_answer_rate)

    async def _delay(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurrying.wait()


def _happens(rate: float) -> bool:
    return rate > 0 and random.random() < rate  # noqa: S311  a fault, not a secret
