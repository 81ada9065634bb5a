"""A connection pool that tells how long it lets its callers wait."""

import time

from sqlalchemy import AsyncAdaptedQueuePool, Pool
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from chassis import metrics


class MeasuredPool(AsyncAdaptedQueuePool):
    """Named by `pool_logging_name`, which is what its metrics' label says."""

    def _do_get(self) -> ConnectionPoolEntry:
        started = time.perf_counter()
        try:
            return super()._do_get()
        except PoolTimeoutError:
            metrics.POOL_TIMEOUTS_TOTAL.labels(self.logging_name).inc()
            raise
        finally:
            metrics.POOL_WAIT.labels(self.logging_name).observe(time.perf_counter() - started)


def measure(pool: Pool, name: str, size: int) -> None:
    """Show, whenever somebody asks, how much of it is in use."""
    assert isinstance(pool, AsyncAdaptedQueuePool)
    metrics.POOL_LIMIT.labels(name).set(size)
    metrics.POOL_IN_USE.labels(name).set_function(pool.checkedout)
    metrics.POOL_TIMEOUTS_TOTAL.labels(name)
