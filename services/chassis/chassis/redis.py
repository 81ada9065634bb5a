"""Redis, asked in a bounded time: it answers by the deadline, or counts as away.

What is kept there can be had again elsewhere, so that nobody waits for it: callers catch `RedisAwayError` and go on.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, TypeVar

from redis.asyncio import BlockingConnectionPool
from redis.asyncio import Redis as Client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from chassis import metrics
from chassis.settings import ServiceSettings

CONNECTIONS = 16  # an answer takes a fraction of a millisecond: more would only wait in Redis instead of here

T = TypeVar("T")
Guard = Callable[[], AbstractAsyncContextManager[object]]


class RedisAwayError(OSError):
    """Redis did not answer in time, or not with an answer."""


class Script:
    """A Lua script: one step that nothing comes between."""

    def __init__(self, lua: str) -> None:
        self.lua = lua
        self.sha = hashlib.sha1(lua.encode()).hexdigest()  # noqa: S324  the name Redis gives it, not cryptography


class Redis:
    """A client. Each question ends within `redis_timeout_seconds`, connecting and waiting for a connection included.

    `guard` makes the context of one question (a circuit breaker); it may raise `RedisAwayError` before any is asked.
    """

    def __init__(self, settings: ServiceSettings, guard: Guard = nullcontext) -> None:
        self.prefix = settings.redis_user
        self._timeout_seconds = settings.redis_timeout_seconds
        self._guard = guard
        self._client = Client(
            connection_pool=BlockingConnectionPool(
                host=settings.redis_host,
                port=settings.redis_port,
                username=settings.redis_user,
                password=settings.redis_password.get_secret_value(),
                max_connections=CONNECTIONS,
                timeout=None,  # our deadline covers it
                socket_timeout=None,
                socket_connect_timeout=None,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
                driver_info=None,
            )
        )

    async def call(self, question: Callable[["Client"], Awaitable[T]]) -> T:
        """The answer. Raises `RedisAwayError` at the deadline at the latest."""
        try:
            async with self._guard(), asyncio.timeout(self._timeout_seconds):
                return await question(self._client)
        except (TimeoutError, OSError, RedisError) as error:
            metrics.REDIS_AWAY_TOTAL.inc()
            if isinstance(error, RedisAwayError):
                raise
            raise RedisAwayError(f"{type(error).__name__}: {error}") from error

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[str | int | float | bytes]) -> Any:
        """A script's answer; it is sent once, and again after a restart of Redis. Raises `RedisAwayError`."""
        return await self.call(lambda client: _run(client, script, [*keys, *args], len(keys)))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


async def _run(client: "Client", script: Script, words: Sequence[Any], keys: int) -> Any:
    try:
        return await client.evalsha(script.sha, keys, *words)
    except NoScriptError:
        return await client.eval(script.lua, keys, *words)
