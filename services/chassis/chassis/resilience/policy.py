"""How much patience there is with one dependency: frozen numbers, checked when they are made."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class BreakerPolicy:
    """When a circuit breaker opens, and how it finds out that it may close.

    It opens after `consecutive_failures`, or where of at least `minimum_calls` in the last `window_seconds` the share
    `failure_rate` failed or the share `slow_rate` took longer than `slow_seconds`. After `open_seconds` it lets
    `probes` calls through: all must succeed.
    """

    slow_seconds: float
    window_seconds: float = 10.0
    minimum_calls: int = 20
    failure_rate: float = 0.6
    slow_rate: float = 0.9
    consecutive_failures: int = 8
    open_seconds: float = 1.0
    probes: int = 3

    def __post_init__(self) -> None:
        if min(self.minimum_calls, self.consecutive_failures, self.probes) < 1:
            raise ValueError("minimum_calls, consecutive_failures and probes are at least 1")
        if not (0 < self.failure_rate <= 1 and 0 < self.slow_rate <= 1):
            raise ValueError("failure_rate and slow_rate are shares above 0 and at most 1")
        if min(self.slow_seconds, self.window_seconds, self.open_seconds) <= 0:
            raise ValueError("slow_seconds, window_seconds and open_seconds are above 0")


@dataclass(frozen=True)
class Policy:
    """One dependency's limits.

    `timeout_seconds` ends one attempt; `deadline_seconds` ends the whole call, waiting for a slot and trying again
    included. Of `attempts`, all but the first need the budget: in the long run a tenth of the calls.
    """

    timeout_seconds: float
    concurrency: int
    breaker: BreakerPolicy
    queue: int = 0
    attempts: int = 1
    deadline_seconds: float = field(default=0.0)
    retry_base_seconds: float = 0.02

    def __post_init__(self) -> None:
        if self.timeout_seconds <= 0 or self.concurrency < 1 or self.queue < 0 or self.attempts < 1:
            raise ValueError("timeout_seconds is above 0, concurrency and attempts at least 1, queue at least 0")
        if not self.deadline_seconds:
            object.__setattr__(self, "deadline_seconds", self.timeout_seconds)
        if self.deadline_seconds < self.timeout_seconds:
            raise ValueError("deadline_seconds is at least timeout_seconds")
