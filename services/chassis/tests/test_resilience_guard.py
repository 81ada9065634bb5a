"""Bulkhead, time limits, retries and their budget, around calls of the test's own."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis import metrics
from chassis.resilience import BreakerPolicy, FullError, Guard, OpenError, Policy, State
from chassis.resilience.budget import RESERVE

BREAKER = BreakerPolicy(slow_seconds=100, consecutive_failures=1000, minimum_calls=1000)


def guard(**changes: object) -> Guard:
    values: dict[str, object] = {"timeout_seconds": 5.0, "concurrency": 3, "queue": 2, "breaker": BREAKER}
    return Guard("test", Policy(**{**values, **changes}))  # type: ignore[arg-type]


class Dependency:
    """Fails so many times, or hangs until told to go on."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.calls = self.running = self.most = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self) -> str:
        self.calls += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.go_on.wait()
            if self.calls <= self.failures:
                raise ConnectionError("no")
            return "ok"
        finally:
            self.running -= 1


@given(limit=st.integers(1, 5), queue=st.integers(0, 5), at_once=st.integers(1, 20))
@settings(max_examples=60, deadline=None)
async def test_no_more_run_than_the_limit_and_no_more_wait_than_the_queue_holds(
    limit: int, queue: int, at_once: int
) -> None:
    it, other = guard(concurrency=limit, queue=queue), Dependency()
    other.go_on.clear()
    calls = [asyncio.create_task(it.call(other)) for _ in range(at_once)]
    for _ in range(3):
        await asyncio.sleep(0)
    assert other.running == min(limit, at_once)
    assert (it.bulkhead.in_use, it.bulkhead.waiting) == (other.running, max(0, min(queue, at_once - limit)))
    other.go_on.set()
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert other.most <= limit
    assert ends.count("ok") == min(at_once, limit + queue)
    assert all(isinstance(end, FullError) for end in ends if end != "ok")
    assert (it.bulkhead.in_use, it.bulkhead.waiting) == (0, 0)


async def test_a_caller_that_goes_away_leaves_its_place_to_others() -> None:
    it, other = guard(concurrency=1, queue=1), Dependency()
    other.go_on.clear()
    running, waiting = (asyncio.create_task(it.call(other)) for _ in range(2))
    await asyncio.sleep(0)
    waiting.cancel()
    running.cancel()
    await asyncio.gather(running, waiting, return_exceptions=True)
    other.go_on.set()
    assert await it.call(other) == "ok"
    assert (it.bulkhead.in_use, it.bulkhead.waiting) == (0, 0)


@pytest.mark.parametrize("deadline", [0.0, 0.2], ids=["one attempt", "within a longer deadline"])
async def test_a_hanging_dependency_is_let_go_of_in_time_and_counts_as_failing(deadline: float) -> None:
    breaker = BreakerPolicy(slow_seconds=100, consecutive_failures=2)
    it, other = guard(timeout_seconds=0.02, deadline_seconds=deadline, breaker=breaker), Dependency()
    other.go_on.clear()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await it.call(other)
    assert it.breaker.state is State.OPEN
    with pytest.raises(OpenError):
        await it.call(other)
    assert other.calls == 2


async def test_a_deadline_that_ends_a_repeated_attempt_counts_as_failing_too() -> None:
    it = guard(timeout_seconds=0.1, deadline_seconds=0.12, attempts=5, breaker=BreakerPolicy(100, probes=1))
    other = Dependency()
    other.go_on.clear()
    with pytest.raises(TimeoutError):
        await it.call(other)
    assert it.breaker._consecutive == other.calls


async def test_waiting_for_a_place_ends_with_the_deadline() -> None:
    it, other = guard(concurrency=1, timeout_seconds=0.05), Dependency()
    async with it.bulkhead.slot():
        with pytest.raises(FullError):
            await it.call(other)
    assert other.calls == 0


async def test_a_failure_is_repeated_until_it_succeeds_or_the_attempts_are_used_up() -> None:
    it = guard(attempts=3, retry_base_seconds=0.001)
    assert await it.call(Dependency(failures=2)) == "ok"
    hopeless = Dependency(failures=9)
    with pytest.raises(ConnectionError):
        await it.call(hopeless)
    assert hopeless.calls == 3


async def test_retries_cannot_multiply_the_load_of_a_failing_dependency() -> None:
    it, other = guard(attempts=3, retry_base_seconds=0.0001), Dependency(failures=10**6)
    for _ in range(200):
        with pytest.raises(ConnectionError):
            await it.call(other)
    assert 200 < other.calls <= 200 * 1.1 + RESERVE


async def test_an_error_that_is_not_the_dependencys_fault_does_not_open_the_breaker() -> None:
    policy = Policy(timeout_seconds=1, concurrency=1, breaker=BreakerPolicy(1, consecutive_failures=1))
    it = Guard("test", policy, blames=lambda error: not isinstance(error, KeyError))
    other = Dependency()

    async def odd() -> str:
        await other()
        raise KeyError

    with pytest.raises(KeyError):
        await it.call(odd)
    assert it.breaker.state is State.CLOSED


async def test_the_state_is_shown_one_hot() -> None:
    it = guard(breaker=BreakerPolicy(1, consecutive_failures=1))
    with pytest.raises(ConnectionError):
        await it.call(Dependency(failures=1))
    (family,) = metrics.BREAKER_STATE.collect()
    shown = {s.labels["state"]: s.value for s in family.samples if s.labels["dependency"] == "test"}
    assert shown == {"closed": 0, "open": 1, "half_open": 0}
