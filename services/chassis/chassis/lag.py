"""How far the event loop lags behind: the one number that tells that a process has more to do than it can."""

import asyncio

from chassis import metrics

PACE_SECONDS = 0.5


async def measure() -> None:
    """Ask to be woken, and note how late that was; until cancelled."""
    clock = asyncio.get_running_loop().time
    while True:
        due = clock() + PACE_SECONDS
        await asyncio.sleep(PACE_SECONDS)
        metrics.LOOP_LAG.observe(max(0.0, clock() - due))
