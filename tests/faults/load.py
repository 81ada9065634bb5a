"""Orders at a steady rate, sent whether or not the ones before were answered, and a record of every answer.

A customer asks again, under the same key, after a lost connection, a time-out or a status of 500 and more, as the edge
does. What became of a request without an answer is not known here: `verify` looks it up.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

import aiohttp

from outside.shop import Shop, fresh
from verify.told import Recorder, Told

TIMEOUT_SECONDS = 15.0  # the edge gives an instance ten
PATIENCE_SECONDS = 120.0  # a customer asks again for this long: a lost primary takes a slow machine most of a minute
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.3, 2.0
TOKENS = {"tok_ok": 86, "tok_declined": 6, "tok_down_once": 6, "tok_slow": 2}
CANCELLED_SHARE = 0.06  # of the orders, by their customers, soon after they were placed
CANCELLED_WITHIN_SECONDS = 0.6

Status = int | Literal["timeout"]


@dataclass(frozen=True)
class Wish:
    """What one customer wants, and the key under which it is asked for."""

    customer: str
    items: dict[str, int]
    token: str
    key: str
    regrets: bool


class Load:
    """One stream of orders. `accepted` has what was promised, `answers` counts every request's answer."""

    def __init__(self, shop: Shop, file: Path, skus: Sequence[str], seed: str) -> None:
        self._shop = shop
        self._file = file
        self._skus = skus
        self._random = random.Random(seed)  # noqa: S311  a choice that can be repeated, not a secret
        self._least: int | None = None  # how many to send, once it was told to stop
        self.accepted: dict[UUID, Wish] = {}
        self.answers: Counter[Status] = Counter()

    async def run(self, orders: int, per_second: float, tokens: Mapping[str, int] = TOKENS) -> None:
        """Send so many, at this rate, or until `stop`; returns when every customer has an answer or has given up.

        `tokens`: the payment tokens and how often each is used; only where they are the usual mixture do customers
        cancel.
        """
        clock = asyncio.get_running_loop().time
        started = clock()
        with Recorder(self._file) as recorder:
            async with asyncio.TaskGroup() as group:
                for number in range(orders):
                    await asyncio.sleep(started + number / per_second - clock())
                    if self._least is not None and number >= self._least:
                        return
                    group.create_task(self._order(self._wish(tokens), recorder))

    def stop(self, *, least: int = 0) -> None:
        """Send no more, once so many were sent."""
        self._least = least

    def _wish(self, tokens: Mapping[str, int]) -> Wish:
        choose = self._random
        skus = choose.sample(self._skus, choose.randint(1, min(3, len(self._skus))))
        return Wish(
            customer=fresh("customer"),
            items={sku: choose.randint(1, 3) for sku in skus},
            token=choose.choices(list(tokens), list(tokens.values()))[0],
            key=fresh("key"),
            regrets=tokens is TOKENS and choose.random() < CANCELLED_SHARE,
        )

    async def _order(self, wish: Wish, recorder: Recorder) -> None:
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        pause = PAUSE_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            status, order_id = await self._ask(wish)
            self.answers[status] += 1
            told = {"key": wish.key, "customer": wish.customer, "items": wish.items, "status": status}
            recorder.add(Told.model_validate({**told, "order_id": order_id}))
            if order_id is not None:
                self.accepted[order_id] = wish
                return await self._regret(wish, order_id) if wish.regrets else None
            if status != "timeout" and status < 500:
                return None
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        return None

    async def _ask(self, wish: Wish) -> tuple[Status, UUID | None]:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                answer = await self._shop.place(wish.customer, wish.items, token=wish.token, key=wish.key)
        except (aiohttp.ClientError, OSError):  # a time-out is an OSError
            return "timeout", None
        return answer.status, UUID(answer.json()["id"]) if answer.status == 202 else None

    async def _regret(self, wish: Wish, order_id: UUID) -> None:
        """Cancel, until somebody has listened."""
        await asyncio.sleep(random.uniform(0, CANCELLED_WITHIN_SECONDS))  # noqa: S311  likewise
        for _ in range(5):
            try:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    if (await self._shop.cancel(wish.customer, order_id)).status == 200:
                        return
            except (aiohttp.ClientError, OSError):
                pass
            await asyncio.sleep(PAUSE_SECONDS)
