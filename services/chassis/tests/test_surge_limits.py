"""The limits by themselves: an adaptive one against a server of the test's own, token buckets here and in Redis."""

import asyncio

from chassis_kit import SettingsOf
from hypothesis import given
from hypothesis import strategies as st

from chassis.events import uuid7
from chassis.redis import Redis
from chassis.shedding import CEILING, FLOOR, READING_SHARE, START, WINDOW_SECONDS, AdaptiveLimit
from chassis.throttle import LocalBuckets, Throttle

TARGET_SECONDS = 1.0


def surged(limit: AdaptiveLimit, now: list[float], *, per_second: float, windows: int) -> None:
    """A server that answers so many requests per second, and has as many under way as it is let: Little's law."""
    for _ in range(windows):
        began = []
        while limit.begin(reading=False):
            began.append(now[0])
        seconds = max(len(began) / per_second, WINDOW_SECONDS)
        now[0] += seconds
        for _ in began:
            limit.end(now[0] - len(began) / per_second)


def test_under_a_surge_the_limit_settles_where_answers_take_the_target_time() -> None:
    now = [0.0]
    limit = AdaptiveLimit(TARGET_SECONDS, lambda: now[0])
    surged(limit, now, per_second=100, windows=60)
    assert 0.7 * 100 <= limit.limit <= 1.3 * 100
    surged(limit, now, per_second=400, windows=60)
    assert 0.7 * 400 <= limit.limit <= 1.3 * 400


def test_the_limit_keeps_within_its_bounds() -> None:
    now = [0.0]
    limit = AdaptiveLimit(TARGET_SECONDS, lambda: now[0])
    surged(limit, now, per_second=1, windows=60)
    assert limit.limit == FLOOR
    surged(limit, now, per_second=10**6, windows=100)
    assert limit.limit == CEILING


def test_a_limit_that_nobody_comes_near_stays_as_it_is() -> None:
    now = [0.0]
    limit = AdaptiveLimit(TARGET_SECONDS, lambda: now[0])
    for _ in range(100):
        assert limit.begin(reading=False)
        now[0] += WINDOW_SECONDS / 2
        limit.end(now[0] - 0.01)
    assert limit.limit == START


def test_reading_gives_way_to_placing() -> None:
    limit = AdaptiveLimit(TARGET_SECONDS)
    while limit.begin(reading=True):
        pass
    assert limit.under_way < START
    assert limit.under_way >= START * READING_SHARE
    while limit.begin(reading=False):
        pass
    assert limit.under_way == START


@given(gaps=st.lists(st.floats(0, 3), max_size=200), rate=st.floats(0.5, 20), burst=st.integers(1, 20))
def test_nobody_gets_more_than_the_burst_and_the_rate_and_who_waits_as_told_is_let_in(
    gaps: list[float], rate: float, burst: int
) -> None:
    now = [0.0]
    buckets = LocalBuckets(rate, burst, lambda: now[0])
    for taken, gap in enumerate(gaps, 1):
        now[0] += gap
        wait = buckets.take("me")
        if wait:
            now[0] += wait + 1e-9
            assert buckets.take("me") == 0
        assert taken <= burst + rate * now[0] + 1e-3


async def test_a_bucket_in_redis_is_one_for_all_instances(settings: SettingsOf) -> None:
    one, other = (Redis(settings(redis_timeout_seconds=5)) for _ in range(2))
    throttles = [Throttle(redis, rate=0.1, burst=10) for redis in (one, other)]
    customer = f"customer {uuid7()}"
    waits = await asyncio.gather(*(throttles[n % 2].wait_seconds(customer) for n in range(30)))
    assert waits.count(0) == 10
    assert all(0 < wait <= 10 for wait in waits if wait)
    assert await throttles[0].wait_seconds(f"another {customer}") == 0
    await one.close()
    await other.close()


async def test_without_redis_each_instance_keeps_to_the_limit_by_itself(settings: SettingsOf) -> None:
    redis = Redis(settings(redis_port=9))
    throttle = Throttle(redis, rate=0.1, burst=10)
    waits = [await throttle.wait_seconds("me") for _ in range(30)]
    assert waits.count(0) == 10
    await redis.close()
