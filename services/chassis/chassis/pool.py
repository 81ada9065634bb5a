"""A connection pool that is fair, and tells how long it lets its callers wait."""

import asyncio
import time
from typing import Any

from sqlalchemy import AsyncAdaptedQueuePool, Pool
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_only

from chassis import metrics


class FairPool(AsyncAdaptedQueuePool):
    """Connections are given in the order of asking. It has no overflow, and a timeout.

    The queue it inherits from lets newcomers take what those who wait were promised: under load some waited for
    seconds, and until the timeout, while most were served at once. Named by `pool_logging_name`, as in its metrics.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turns = asyncio.Semaphore(self.size())

    def _do_get(self) -> ConnectionPoolEntry:
        started = time.perf_counter()
        try:
            await_only(self._turn())
        finally:
            metrics.POOL_WAIT.labels(self.logging_name).observe(time.perf_counter() - started)
        try:
            return super()._do_get()
        except BaseException:
            self._turns.release()
            raise

    async def _turn(self) -> None:
        try:
            async with asyncio.timeout(self.timeout()):
                await self._turns.acquire()
        except TimeoutError:
            metrics.POOL_TIMEOUTS_TOTAL.labels(self.logging_name).inc()
            raise PoolTimeoutError(f"no connection of pool '{self.logging_name}' became free") from None

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        super()._do_return_conn(record)
        self._turns.release()


def measure(pool: Pool, name: str, size: int) -> None:
    """Show, whenever somebody asks, how much of it is in use."""
    assert isinstance(pool, FairPool)
    metrics.POOL_LIMIT.labels(name).set(size)
    metrics.POOL_IN_USE.labels(name).set_function(pool.checkedout)
    metrics.POOL_TIMEOUTS_TOTAL.labels(name)
