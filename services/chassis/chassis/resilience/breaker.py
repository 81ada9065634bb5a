"""The circuit breaker: a dependency that is down is left alone, and found again by a few probes.

Closed, calls pass and are counted. Open, none passes. Half-open, exactly `probes` calls pass: all of them succeed and
it closes, or one fails and it opens again. After Nygard, *Release It!* (2007).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from chassis import metrics
from chassis.logging import get_logger
from chassis.resilience.errors import OpenError
from chassis.resilience.policy import BreakerPolicy
from chassis.resilience.window import Window

Clock = Callable[[], float]


class State(StrEnum):
    """What a breaker lets through: everything, nothing, its probes."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True)
class Permit:
    """One call that was let through, and in which of the breaker's times: what it reports counts for that only."""

    epoch: int
    began: float


class Breaker:
    """One dependency's breaker, in one process and one event loop. `clock` tells seconds that never go back."""

    def __init__(self, name: str, policy: BreakerPolicy, clock: Clock = time.monotonic) -> None:
        self.name = name
        self.policy = policy
        self.listeners: list[Callable[[State], None]] = []
        self._clock = clock
        self._state = State.CLOSED
        self._epoch = 0
        self._window = Window(policy.window_seconds)
        self._consecutive = 0
        self._opened_at = 0.0
        self._probing = self._proven = 0
        metrics.breaker_state(name, State, self._state)

    @property
    def state(self) -> State:
        """The state now; looking is what turns an open breaker half-open when its time has come."""
        if self._state is State.OPEN and self._clock() - self._opened_at >= self.policy.open_seconds:
            self._change(State.HALF_OPEN)
        return self._state

    def room(self, wanted: int) -> int:
        """How many of so many calls would be let through now."""
        if (state := self.state) is State.HALF_OPEN:
            return min(wanted, self.policy.probes - self._probing - self._proven)
        return wanted if state is State.CLOSED else 0

    def admit(self) -> Permit:
        """Let one call through: it must be reported or withdrawn. Raises `OpenError`."""
        if not self.room(1):
            raise OpenError(f"{self.name} is left alone for now: its circuit breaker is {self._state}")
        if self._state is State.HALF_OPEN:
            self._probing += 1
        return Permit(self._epoch, self._clock())

    def report(self, permit: Permit, *, failed: bool) -> None:
        """How the call went. What was let through before the last change of state proves nothing any more."""
        if permit.epoch != self._epoch:
            return
        now = self._clock()
        slow = now - permit.began > self.policy.slow_seconds
        if self._state is State.HALF_OPEN:
            self._probing -= 1
            self._proven += 1
            if failed or slow:
                self._change(State.OPEN)
            elif self._proven == self.policy.probes:
                self._change(State.CLOSED)
        else:
            self._window.add(now, failed=failed, slow=slow)
            self._consecutive = self._consecutive + 1 if failed else 0
            if self._tripped():
                self._change(State.OPEN)

    def withdraw(self, permit: Permit) -> None:
        """The call was broken off on this side and proves nothing: another may take its place."""
        if permit.epoch == self._epoch and self._state is State.HALF_OPEN:
            self._probing -= 1

    def _tripped(self) -> bool:
        if self._consecutive >= self.policy.consecutive_failures:
            return True
        calls = self._window.calls
        return calls >= self.policy.minimum_calls and (
            self._window.failed >= self.policy.failure_rate * calls
            or self._window.slow >= self.policy.slow_rate * calls
        )

    def _change(self, state: State) -> None:
        self._state = state
        self._epoch += 1
        self._window.clear()
        self._consecutive = self._probing = self._proven = 0
        if state is State.OPEN:
            self._opened_at = self._clock()
        metrics.breaker_state(self.name, State, state)
        metrics.BREAKER_TRANSITIONS_TOTAL.labels(self.name, state).inc()
        get_logger().info("a circuit breaker changed", dependency=self.name, state=str(state))
        for listener in self.listeners:
            listener(state)
