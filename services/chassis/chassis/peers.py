"""Other services, asked over HTTP on the way to an answer of our own: with the caller's token, each behind its guard.

Only reading: what changes something goes through events.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp

from chassis import auth, consistency, spans, tracing
from chassis.auth import Caller
from chassis.resilience import BreakerPolicy, Guard, Policy

CORRELATION_HEADER = "X-Correlation-Id"

# An answer takes milliseconds. Twice, because one of several instances may just have gone away.
POLICY = Policy(
    timeout_seconds=0.3,
    deadline_seconds=0.5,
    attempts=2,
    concurrency=32,
    queue=64,
    breaker=BreakerPolicy(slow_seconds=0.25),
)


class PeerError(Exception):
    """The other service did not give the answer that was asked for."""

    def __init__(self, name: str, status: int) -> None:
        super().__init__(f"{name} answered {status}")
        self.at_fault = status >= 500 or status == 429


class Peer:
    """One other service. A resource of the service's: its connections are kept open."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.guard = Guard(name, POLICY, blames=lambda error: not isinstance(error, PeerError) or error.at_fault)
        self._url = url
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the client; connections are made as they are needed."""
        connector = aiohttp.TCPConnector(limit=POLICY.concurrency, keepalive_timeout=30)
        self._http = aiohttp.ClientSession(self._url, connector=connector)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        assert self._http is not None
        await self._http.close()

    async def get(self, path: str, caller: Caller, passed_on: Mapping[str, str]) -> Any:
        """What it answers this caller. Raises `PeerError`, `RefusedError`, `TimeoutError` or `aiohttp.ClientError`."""
        headers = {auth.HEADER: f"Bearer {caller.token}", **passed_on}
        return await self.guard.call(lambda: self._get(path, headers))

    async def _get(self, path: str, headers: Mapping[str, str]) -> Any:
        assert self._http is not None
        with spans.asking(self.name, "GET", path):
            async with self._http.get(path, headers={**headers, **tracing.headers()}) as answer:
                tracing.annotate({"http.response.status_code": answer.status})
                if answer.status != 200:
                    raise PeerError(self.name, answer.status)
                return await answer.json()


def passed_on(headers: Mapping[str, str], correlation_id: object) -> dict[str, str]:
    """What goes with the question besides the caller's token: how fresh the answer must be, and what it is about."""
    token = headers.get(consistency.HEADER)
    return {CORRELATION_HEADER: str(correlation_id), **({consistency.HEADER: token} if token else {})}
