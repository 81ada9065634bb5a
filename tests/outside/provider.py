"""The payment provider: its own books, which decide what was really taken, and its faults."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import aiohttp

from outside.waiting import eventually

PAGE = 10_000


class Provider:
    """The simulator, as its operator sees it."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def ledger(self, order_id: UUID) -> list[str]:
        """What the ledger says of this order's charge, in order: capture, decline, refund, void."""
        return [entry["kind"] for entry in await self._entries() if entry["key"] == str(order_id)]

    async def ledger_says(self, order_id: UUID, *kinds: str) -> None:
        """Wait until it says exactly this."""
        await eventually(lambda: self.ledger(order_id), lambda found: found == list(kinds))

    async def kept_cents(self, order_id: UUID) -> int:
        """How much of this customer's money is there: captures less refunds."""
        entries = [entry for entry in await self._entries() if entry["key"] == str(order_id)]
        signs = {"capture": 1, "refund": -1}
        return sum(signs.get(entry["kind"], 0) * entry["amount_cents"] for entry in entries)

    @asynccontextmanager
    async def faults(self, **faults: object) -> AsyncIterator[None]:
        """Inside, these go wrong; afterwards, nothing."""
        await self._set(faults)
        try:
            yield
        finally:
            await self._set({})

    async def _set(self, faults: dict[str, Any]) -> None:
        async with self._session.put(f"{self._url}/faults", json=faults) as answer:
            assert answer.status == 200, await answer.text()

    async def _entries(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            async with self._session.get(f"{self._url}/v1/ledger?after={after}&limit={PAGE}") as answer:
                page = await answer.json()
            entries += page["entries"]
            after = page["next"]
        return entries
