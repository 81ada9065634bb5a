"""Taking components of the stack away, and bringing them back whatever happens meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from native import Stack


@asynccontextmanager
async def away(stack: Stack, *components: str) -> AsyncIterator[None]:
    """Inside, these are stopped (gracefully); afterwards they serve again."""
    try:
        await asyncio.gather(*(asyncio.to_thread(stack.stop, component) for component in components))
        yield
    finally:
        await asyncio.gather(*(asyncio.to_thread(stack.start, component) for component in components))
