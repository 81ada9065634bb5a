"""Steps are kept apart, further where they took long, less where they were full; after a pause one begins at once."""

import pytest

from chassis.pace import LONGEST_REST_SECONDS, REST_SHARE, Pace


class Clock:
    """Tells the time that the test has set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def step(pace: Pace, clock: Clock, seconds: float, filled: float = 0.0) -> None:
    pace.begin()
    clock.now += seconds
    pace.end(filled)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_first_step_begins_at_once(clock: Clock) -> None:
    assert Pace(0.02, clock).pause_seconds <= 0


def test_a_short_step_is_followed_by_the_rest_of_the_time_apart(clock: Clock) -> None:
    pace = Pace(0.02, clock)
    step(pace, clock, 0.002)
    assert pace.pause_seconds == pytest.approx(0.018)
    clock.now += 0.02
    assert pace.pause_seconds <= 0


def test_a_long_step_is_followed_by_a_rest_in_proportion(clock: Clock) -> None:
    pace = Pace(0.02, clock)
    step(pace, clock, 0.05)
    assert pace.pause_seconds == pytest.approx(0.05 * REST_SHARE)


def test_no_rest_is_longer_than_bounded(clock: Clock) -> None:
    pace = Pace(0.02, clock)
    step(pace, clock, 60)
    assert pace.pause_seconds == pytest.approx(LONGEST_REST_SECONDS)


def test_where_nothing_is_kept_apart_there_is_no_rest(clock: Clock) -> None:
    pace = Pace(0, clock)
    step(pace, clock, 60)
    assert pace.pause_seconds <= 0


def test_the_fuller_a_step_was_the_less_there_is_to_gain_from_a_rest(clock: Clock) -> None:
    pace = Pace(0.02, clock)
    step(pace, clock, 0.05, filled=0.8)
    assert pace.pause_seconds == pytest.approx(0.05 * REST_SHARE * 0.2)


def test_after_a_full_step_the_next_one_begins_at_once(clock: Clock) -> None:
    pace = Pace(0.02, clock)
    step(pace, clock, 0.01, filled=1)
    assert pace.pause_seconds <= 0
