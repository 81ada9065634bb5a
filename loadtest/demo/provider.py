"""Faults at the payment provider, for as long as a block lasts; afterwards whatever was in force before is again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from demo.errors import DemoError


class Provider:
    """The controls of the provider's simulator."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = f"{url}/faults"

    @asynccontextmanager
    async def faults(self, **faults: float) -> AsyncIterator[None]:
        """Only these faults inside the block: none, if none is named."""
        before = await self._call("GET")
        await self._call("PUT", faults)
        try:
            yield
        finally:
            await self._call("PUT", before)

    async def _call(self, method: str, body: object = None) -> Any:
        try:
            async with self._http.request(method, self._url, json=body) as answer:
                document = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise DemoError(f"the provider does not answer at {self._url} ({error}): see make status") from None
        if answer.status != 200:
            raise DemoError(f"the provider refused faults with {answer.status}: {document}")
        return document
