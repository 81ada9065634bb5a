"""Waiting for a condition: never longer than needed, never without end."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.05
PATIENCE_SECONDS = 45.0  # generous: the machine may be busy with other things


async def eventually(
    look: Callable[[], Awaitable[T]],
    until: Callable[[T], object],
    *,
    seconds: float = PATIENCE_SECONDS,
    poll_seconds: float = POLL_SECONDS,
) -> T:
    """What `look` sees, as soon as `until` likes it. Raises `AssertionError` with the last sight."""
    deadline = time.monotonic() + seconds
    while True:
        seen = await look()
        if until(seen):
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s; seen last: {seen!r}")
        await asyncio.sleep(poll_seconds)


async def lasted(
    look: Callable[[], Awaitable[T]],
    until: Callable[[T], object],
    *,
    since: float,
    poll_seconds: float = POLL_SECONDS,
) -> float:
    """How long after `since` it was otherwise: to when the last such look began, because a look itself may be slow."""
    began = [since]

    async def timed() -> T:
        began.append(time.monotonic())
        return await look()

    await eventually(timed, until, poll_seconds=poll_seconds)
    return began[-2] - since
