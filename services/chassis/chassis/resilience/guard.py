"""One dependency's guard: retries within a deadline, around the bulkhead, the breaker and one attempt's time limit."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from chassis import metrics
from chassis.resilience.breaker import Breaker, Clock, State
from chassis.resilience.budget import RetryBudget
from chassis.resilience.bulkhead import Bulkhead
from chassis.resilience.errors import OpenError, RefusedError
from chassis.resilience.policy import Policy

T = TypeVar("T")
Judge = Callable[[Exception], bool]

RETRY_CAP_SECONDS = 1.0


def _always(_: Exception) -> bool:
    return True


class Guard:
    """Everything that asks the same dependency shares one.

    `blames(error)` says whether an error is the dependency's failure; others pass through as proof that it is alive.
    """

    def __init__(self, name: str, policy: Policy, *, blames: Judge = _always, clock: Clock = time.monotonic) -> None:
        self.name = name
        self.policy = policy
        self.breaker = Breaker(name, policy.breaker, clock)
        self.bulkhead = Bulkhead(name, policy.concurrency, policy.queue)
        self._budget = RetryBudget()
        metrics.preset_dependency(name, State)
        self._blames = blames

    async def call(self, action: Callable[[], Awaitable[T]]) -> T:
        """Do it, again if that may help and the budget allows.

        Raises `RefusedError` (nothing was sent), `TimeoutError` (the outcome is unknown), or what `action` raised.
        Only for what is safe to repeat, unless the policy has one attempt.
        """
        until = asyncio.get_running_loop().time() + self.policy.deadline_seconds
        if self.policy.attempts == 1:
            return await self._bounded(action, until)
        self._budget.deposit()
        return await self._retrying()(self._bounded, action, until)

    async def once(self, action: Callable[[], Awaitable[T]], until: float = math.inf) -> T:
        """One attempt, for whoever has a slot of the bulkhead already. Raises as `call` does.

        A time limit of the caller's own would look like a change of mind: `until` (loop time) counts as a failure.
        """
        try:
            permit = self.breaker.admit()
        except OpenError:
            metrics.GUARDED_CALLS_TOTAL.labels(self.name, "open").inc()
            raise
        try:
            now = asyncio.get_running_loop().time()
            async with asyncio.timeout_at(min(until, now + self.policy.timeout_seconds)):
                outcome = await action()
        except Exception as error:
            failed = self._blames(error)
            self.breaker.report(permit, failed=failed)
            result = "ok" if not failed else "timeout" if isinstance(error, TimeoutError) else "failed"
            metrics.GUARDED_CALLS_TOTAL.labels(self.name, result).inc()
            raise
        except BaseException:
            self.breaker.withdraw(permit)
            raise
        self.breaker.report(permit, failed=False)
        metrics.GUARDED_CALLS_TOTAL.labels(self.name, "ok").inc()
        return outcome

    async def _bounded(self, action: Callable[[], Awaitable[T]], until: float) -> T:
        async with self.bulkhead.slot(until):
            return await self.once(action, until)

    def _retrying(self) -> AsyncRetrying:
        return AsyncRetrying(
            retry=retry_if_exception(self._may_help),
            stop=stop_after_attempt(self.policy.attempts) | stop_before_delay(self.policy.deadline_seconds),
            wait=wait_random_exponential(multiplier=self.policy.retry_base_seconds, max=RETRY_CAP_SECONDS),
            before_sleep=self._count,
            reraise=True,
        )

    def _may_help(self, error: BaseException) -> bool:
        """Whether to try again. Asked after each failure, also the last one allowed: that one's token is lost."""
        if not isinstance(error, Exception) or isinstance(error, RefusedError) or not self._blames(error):
            return False
        if self._budget.withdraw():
            return True
        metrics.RETRIES_TOTAL.labels(self.name, "no_budget").inc()
        return False

    def _count(self, _: RetryCallState) -> None:
        metrics.RETRIES_TOTAL.labels(self.name, "made").inc()
