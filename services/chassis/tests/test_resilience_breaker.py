"""The circuit breaker's state machine, walked at random on a clock of the test's own."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from chassis.resilience import Breaker, BreakerPolicy, OpenError, State
from chassis.resilience.breaker import Permit

POLICY = BreakerPolicy(
    slow_seconds=1, window_seconds=10, minimum_calls=6, consecutive_failures=3, open_seconds=5, probes=2
)


class Walk(RuleBasedStateMachine):
    """Calls begin, end well, badly, slowly or not at all, and time passes; the breaker keeps its promises."""

    calls: Bundle[Permit | None] = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.breaker = Breaker("walk", POLICY, lambda: self.now)
        self.breaker.listeners.append(self.changed)
        self.seen = [State.CLOSED]
        self.opened_at = 0.0
        self.probes = 0  # let through since it turned half-open, less those withdrawn
        self.half_open_failed = False
        self.failures = 0  # in a row, of calls that count

    def changed(self, state: State) -> None:
        allowed = {
            State.CLOSED: {State.OPEN},
            State.OPEN: {State.HALF_OPEN},
            State.HALF_OPEN: {State.OPEN, State.CLOSED},
        }
        assert state in allowed[self.seen[-1]]
        if state is State.HALF_OPEN:
            assert self.now - self.opened_at >= POLICY.open_seconds
        if state is State.OPEN:
            self.opened_at = self.now
        self.seen.append(state)
        self.probes = self.failures = 0

    @rule(target=calls)
    def begin(self) -> Permit | None:
        before = self.breaker.state
        try:
            permit = self.breaker.admit()
        except OpenError:
            assert before is State.OPEN or (before is State.HALF_OPEN and self.probes == POLICY.probes)
            return None
        assert before is not State.OPEN
        if before is State.HALF_OPEN:
            self.probes += 1
        return permit

    @rule(call=consumes(calls), failed=st.booleans())
    def end(self, call: Permit | None, failed: bool) -> None:  # noqa: FBT001  hypothesis calls it by name
        if call is None:
            return
        count, state = len(self.seen), self.seen[-1]
        counts = call.epoch == count - 1
        slow = self.now - call.began > POLICY.slow_seconds
        failures = self.failures + 1 if failed else 0
        self.breaker.report(call, failed=failed)
        moved = len(self.seen) > count
        if not counts:
            assert not moved, "what began in another time proves nothing"
        elif state is State.HALF_OPEN:
            assert (self.seen[-1] is State.OPEN) == (failed or slow)
        elif failures >= POLICY.consecutive_failures:
            assert self.seen[-1] is State.OPEN
        elif not moved:
            self.failures = failures

    @rule(call=consumes(calls))
    def break_off(self, call: Permit | None) -> None:
        if call is None:
            return
        if self.seen[-1] is State.HALF_OPEN and call.epoch == len(self.seen) - 1:
            self.probes -= 1
        self.breaker.withdraw(call)

    # Sums of these are exact: the walk must not step on a rounding error.
    @rule(seconds=st.sampled_from([0.015625, 0.5, 2.0, 4.875, 5.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.seen[-1] is State.OPEN)
    @rule()
    def wait_until_probes_are_due(self) -> None:
        self.now = self.opened_at + POLICY.open_seconds
        assert self.breaker.state is State.HALF_OPEN
        assert self.breaker.room(100) == POLICY.probes

    @invariant()
    def half_open_lets_at_most_its_probes_through(self) -> None:
        assert 0 <= self.probes <= POLICY.probes

    @invariant()
    def an_open_breaker_lets_nothing_through_before_its_time(self) -> None:
        if self.seen[-1] is State.OPEN and self.now - self.opened_at < POLICY.open_seconds:
            assert self.breaker.room(100) == 0


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)


def breaker(now: list[float]) -> Breaker:
    return Breaker("test", POLICY, lambda: now[0])


def called(breaker: Breaker, now: list[float], *, failed: bool = False, seconds: float = 0.0) -> None:
    permit = breaker.admit()
    now[0] += seconds
    breaker.report(permit, failed=failed)


def test_it_opens_when_too_many_of_the_last_calls_failed() -> None:
    it = breaker(now := [0.0])
    for failed in (True, True, False, True, True, False):
        assert it.state is State.CLOSED
        called(it, now, failed=failed)
    assert it.state is State.OPEN


def test_it_opens_when_nearly_all_of_the_last_calls_were_slow() -> None:
    it = breaker(now := [0.0])
    for _ in range(POLICY.minimum_calls):
        assert it.state is State.CLOSED
        called(it, now, seconds=1.1)
    assert it.state is State.OPEN


def test_failures_older_than_the_window_are_forgotten() -> None:
    it = breaker(now := [0.0])
    for _ in range(50):
        called(it, now, failed=True, seconds=6)
        called(it, now, seconds=6)
    assert it.state is State.CLOSED


def test_it_closes_when_all_its_probes_succeeded_and_opens_when_one_fails() -> None:
    it = breaker(now := [0.0])
    for _ in range(POLICY.consecutive_failures):
        called(it, now, failed=True)
    now[0] += POLICY.open_seconds
    called(it, now)
    called(it, now, failed=True)
    states = [it.state]
    now[0] += POLICY.open_seconds
    called(it, now)
    states.append(it.state)
    called(it, now)
    states.append(it.state)
    assert states == [State.OPEN, State.HALF_OPEN, State.CLOSED]
