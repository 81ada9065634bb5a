"""Several contexts entered at the same time: each takes seconds, mostly of waiting for a process to start or to end."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

T = TypeVar("T")


@asynccontextmanager
async def together(contexts: Sequence[AbstractAsyncContextManager[T]]) -> AsyncIterator[list[T]]:
    """Inside, all of them are entered; what each gave, in their order. They are left at the same time, too.

    An error of one is an `ExceptionGroup`, and the others are left nevertheless.
    """
    leaving = asyncio.Event()
    entered: list[asyncio.Future[T]] = [asyncio.get_running_loop().create_future() for _ in contexts]

    async def hold(context: AbstractAsyncContextManager[T], given: "asyncio.Future[T]") -> None:
        async with context as value:
            given.set_result(value)
            await leaving.wait()

    async with asyncio.TaskGroup() as group:
        for context, given in zip(contexts, entered, strict=True):
            group.create_task(hold(context, given))
        try:
            yield list(await asyncio.gather(*entered))
        finally:
            leaving.set()
