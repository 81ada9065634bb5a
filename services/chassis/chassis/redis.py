"""Redis, asked in a bounded time: it answers by the deadline, or counts as away.

What is kept there can be had again elsewhere, so that nobody waits for it: callers catch `RedisAwayError` and go on.
"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from redis.asyncio import ConnectionPool
from redis.asyncio import Redis as Client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from chassis import metrics
from chassis.resilience import BreakerPolicy, Guard, Policy, RefusedError
from chassis.settings import ServiceSettings

CONNECTIONS = 16  # an answer takes a fraction of a millisecond: more would only wait in Redis instead of here
WAITING = 1024  # for a connection, within the deadline; whoever comes then does without

T = TypeVar("T")


def policy(timeout_seconds: float) -> Policy:
    """The limits of one question. The deadline covers connecting and waiting for a connection, too."""
    breaker = BreakerPolicy(slow_seconds=timeout_seconds, consecutive_failures=5)
    return Policy(timeout_seconds, CONNECTIONS, breaker, queue=WAITING)


class RedisAwayError(OSError):
    """Redis did not answer in time, or not with an answer."""


class Script:
    """A Lua script: one step that nothing comes between."""

    def __init__(self, lua: str) -> None:
        self.lua = lua
        self.sha = hashlib.sha1(lua.encode()).hexdigest()  # noqa: S324  the name Redis gives it, not cryptography


class Redis:
    """A client. Each question ends within `redis_timeout_seconds`; while the breaker is open none is asked."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.prefix = settings.redis_user
        self.guard = Guard("redis", policy(settings.redis_timeout_seconds))
        self._client = Client(
            connection_pool=ConnectionPool(
                host=settings.redis_host,
                port=settings.redis_port,
                username=settings.redis_user,
                password=settings.redis_password.get_secret_value(),
                socket_timeout=None,  # the guard's deadline covers everything
                socket_connect_timeout=None,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
                driver_info=None,
            )
        )

    async def call(self, question: Callable[["Client"], Awaitable[T]]) -> T:
        """The answer. Raises `RedisAwayError` at the deadline at the latest."""
        try:
            return await self.guard.call(lambda: question(self._client))
        except (RefusedError, TimeoutError, OSError, RedisError) as error:
            metrics.REDIS_AWAY_TOTAL.inc()
            raise RedisAwayError(f"{type(error).__name__}: {error}") from error

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[str | int | float | bytes]) -> Any:
        """A script's answer; it is sent once, and again after a restart of Redis. Raises `RedisAwayError`."""
        return await self.call(lambda client: _run(client, script, [*keys, *args], len(keys)))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose(close_connection_pool=True)


async def _run(client: "Client", script: Script, words: Sequence[Any], keys: int) -> Any:
    try:
        return await client.evalsha(script.sha, keys, *words)
    except NoScriptError:
        return await client.eval(script.lua, keys, *words)
