"""The token bucket: each customer may ask so often, and for a while more often; then 429 with the seconds to wait.

The buckets are in Redis, one for all instances of a service. While Redis is away each instance keeps its own: then a
customer may ask so often of each, which is too often by at most the number of instances, and still bounded.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from chassis import metrics
from chassis.redis import Redis, RedisAwayError, Script

LOCAL_BUCKETS = 10_000  # of the customers seen last

# Fills the bucket for the time since, takes one token if there is one. Returns the milliseconds until there is one.
TAKE = Script("""
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = math.min(burst, (tonumber(bucket[1]) or burst) + math.max(0, now - (tonumber(bucket[2]) or now)) * rate)
local wait = 0
if tokens >= 1 then tokens = tokens - 1 else wait = math.ceil((1 - tokens) / rate * 1000) end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate * 1000) + 1000)
return wait
""")


@dataclass
class Bucket:
    """One customer's tokens at a time."""

    tokens: float
    at: float


class LocalBuckets:
    """The same in this process only."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, customer: str) -> float:
        """Take a token. Returns 0, or the seconds until there is one."""
        now = self._clock()
        bucket = self._buckets.setdefault(customer, Bucket(self._burst, now))
        self._buckets.move_to_end(customer)
        if len(self._buckets) > LOCAL_BUCKETS:
            self._buckets.popitem(last=False)
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._rate)
        bucket.at = now
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / self._rate
        bucket.tokens -= 1
        return 0


class Throttle:
    """Asks Redis, or itself."""

    def __init__(self, redis: Redis, rate: float, burst: float) -> None:
        self._redis = redis
        self._rate, self._burst = rate, burst
        self._local = LocalBuckets(rate, burst)

    async def wait_seconds(self, customer: str) -> float:
        """Take a token of this customer's. Returns 0, or how long to wait for one."""
        try:
            key = f"{self._redis.prefix}:bucket:{customer}"
            wait: int = await self._redis.run(TAKE, [key], [self._rate, self._burst])
        except RedisAwayError:
            metrics.THROTTLED_LOCALLY_TOTAL.inc()
            return self._local.take(customer)
        return wait / 1000
