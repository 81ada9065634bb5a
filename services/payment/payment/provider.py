"""The payment provider's HTTP API, over connections that are kept open.

Every call names the charge by our own key, the order's id, so that a repetition is the same call: the provider answers
it with the charge as it is now.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

import aiohttp
from pydantic import BaseModel, ValidationError

from chassis import tracing
from chassis.effects import TryLater

LEDGER_PAGE = 1000
# What reads has no guard with a time limit around it, as charges, voids and refunds have.
READ_SECONDS = 5.0

Answer = TypeVar("Answer", bound=BaseModel)


class Charge(BaseModel):
    """A charge as the provider holds it."""

    status: str
    decline_reason: str | None = None
    amount_cents: int = 0
    currency: str | None = None


class LedgerEntry(BaseModel):
    """A line of the provider's ledger; `key` is the charge's, and so the order's id."""

    n: int
    key: str
    kind: str
    amount_cents: int
    currency: str | None


class LedgerPage(BaseModel):
    """Entries, and where the next page begins, if there is one."""

    entries: list[LedgerEntry]
    next: int | None


class RefusedError(Exception):
    """The provider refuses for good, and says why: trying again cannot help."""


class Provider:
    """The client. Raises `TryLater` where the outcome is unknown or the provider asks for patience."""

    def __init__(self, url: str, connections: int) -> None:
        self._url = url
        self._connections = connections
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the client; connections are made as they are needed."""
        connector = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=60)
        self._http = aiohttp.ClientSession(self._url, connector=connector)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        assert self._http is not None
        await self._http.close()

    async def charge(self, key: UUID, body: dict[str, Any]) -> Charge:
        """Take the money, or say why not."""
        return await self._post("/v1/charges", body, {"Idempotency-Key": str(key)})

    async def void(self, key: UUID) -> Charge:
        """Make sure that no money is taken under this key, now or later."""
        return await self._post(f"/v1/charges/{key}/void")

    async def refund(self, key: UUID) -> Charge:
        """Give the money of a captured charge back."""
        return await self._post(f"/v1/charges/{key}/refund")

    async def look_up(self, key: UUID) -> Charge | None:
        """The charge as it is now; `None` if the provider never heard of it."""
        status, content = await self._get(f"/v1/charges/{key}")
        return None if status == 404 else _understood(Charge, status, content)

    async def ledger(self, day: date) -> AsyncIterator[list[LedgerEntry]]:
        """The ledger's entries of a UTC day, in pages, oldest first."""
        after: int | None = 0
        while after is not None:
            path = f"/v1/ledger?day={day}&after={after}&limit={LEDGER_PAGE}"
            page = _understood(LedgerPage, *await self._get(path))
            yield page.entries
            after = page.next

    async def _post(self, path: str, body: object = None, headers: dict[str, str] | None = None) -> Charge:
        return _understood(Charge, *await self._ask("POST", path, body, headers))

    async def _get(self, path: str) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await self._ask("GET", path)
        except TimeoutError as error:
            raise TryLater(f"the provider did not answer within {READ_SECONDS:g} s") from error

    async def _ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        assert self._http is not None
        try:
            carried = {**(headers or {}), **tracing.headers()}
            async with self._http.request(method, path, json=body, headers=carried) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, OSError) as error:
            raise TryLater(f"{type(error).__name__} {error}") from error
        tracing.annotate({"http.request.method": method, "url.path": path, "http.response.status_code": answer.status})
        if answer.status in (408, 425, 429) or answer.status >= 500:
            raise TryLater(f"the provider answered {answer.status}")
        return answer.status, content


def _understood(model: type[Answer], status: int, content: bytes) -> Answer:
    """An answer as what it should be. Raises `RefusedError`, or `TryLater` where it is something else."""
    if status >= 400:
        raise RefusedError(f"the provider answered {status}: {content.decode(errors='replace')[:500]}")
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise TryLater(f"the provider's answer {status} is no {model.__name__}") from error
