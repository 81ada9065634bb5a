"""Every metric the chassis exports, in one place; a help text is a sentence a reader can use.

Labels are closed sets (never an id). Gauges that tell what the database holds are exported by every replica of a
service: query them with `max by`.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

# A second series for each counter and histogram, which no panel reads.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's own

VERSION = "0.1.0"
OTHER = "other"  # for what a stranger chose: a label's values are a closed set
KNOWN_TO_PARK: set[tuple[str, str]] = set()  # (source, type), filled when the service is put together
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

HTTP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
POOL_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0)
LAG_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
AGE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

HTTP_DURATION = Histogram(
    "http_server_request_duration_seconds",
    "Time from a request's first byte to its response's last, by route template.",
    ("route", "method", "status"),
    buckets=HTTP_BUCKETS,
)
BUILD_INFO = Gauge("build_info", "Always 1; the labels say what runs here.", ("version", "python"))
FAULTS_ACTIVE = Gauge(
    "faults_active",
    "1 while a fault that was asked for is at work, by kind and by the component that it is done to.",
    ("fault", "target"),
)
LOOP_LAG = Histogram(
    "event_loop_lag_seconds",
    "How much too late the event loop came back to a timer, measured twice a second.",
    buckets=LAG_BUCKETS,
)

HTTP_ACTIVE = Gauge("http_server_active_requests", "Requests being answered now.")
REFUSED_TOTAL = Counter(
    "http_requests_refused_total",
    "Requests refused before any work was done: rate (429, a customer's bucket is empty), overload (503, the adaptive"
    " limit), backlog (503, the outbox is too old).",
    ("reason",),
)
CONCURRENCY_LIMIT = Gauge("http_concurrency_limit", "Requests that may be under way now: the adaptive limit.")
THROTTLED_LOCALLY_TOTAL = Counter(
    "throttled_locally_total", "Requests whose customer's bucket was this process' own, because Redis was away."
)
TRANSACTION_RETRIES = Counter(
    "transaction_retries_total",
    "Transactions run again as a whole after a lost connection or a conflict, by boundary.",
    ("boundary",),
)

QUERIES_TOTAL = Counter(
    "database_queries_total",
    "Queries by the node that answered, the node they were meant for, and why it was another one (fresh: meant for the"
    " primary; token: unreadable or foreign; behind: not yet replayed as far as the token; lagging, away, failed).",
    ("role", "intent", "reason"),
)
REPLICA_LAG = Gauge("replica_lag_seconds", "How much older the heartbeat on the replica is than on the primary.")
REPLICA_LAG_BYTES = Gauge("replica_lag_bytes", "Log that the replica has not replayed yet, in bytes.")
REPLICA_USABLE = Gauge("replica_usable", "1 while this process reads from the replica, 0 while from the primary.")

POOL_IN_USE = Gauge("database_pool_in_use_connections", "Connections that somebody holds now, by pool.", ("pool",))
POOL_LIMIT = Gauge("database_pool_limit_connections", "Connections that a pool holds at most.", ("pool",))
POOL_WAIT = Histogram(
    "database_pool_wait_seconds",
    "Time until a pool handed out a connection, making a new one included.",
    ("pool",),
    buckets=POOL_BUCKETS,
)
POOL_TIMEOUTS_TOTAL = Counter(
    "database_pool_timeouts_total", "Times that nobody gave a connection back soon enough, by pool.", ("pool",)
)

REDIS_AWAY_TOTAL = Counter("redis_away_total", "Questions to Redis that were not answered in time, or with an error.")
CACHE_REQUESTS_TOTAL = Counter(
    "cache_requests_total",
    "Reads through a cache, by result (hit; negative: known not to exist; absent: never existed, by the Bloom filter;"
    " miss; behind: older than the token; replaced: invalidated; away: Redis did not answer).",
    ("cache", "result"),
)
CACHE_LOAD_DURATION = Histogram(
    "cache_load_duration_seconds", "Time to load one entry from the database.", ("cache",), buckets=HTTP_BUCKETS
)
CACHE_INVALIDATION_AGE = Histogram(
    "cache_invalidation_age_seconds",
    "Time from the start of a change's transaction until the cache knew of it.",
    ("cache",),
    buckets=AGE_BUCKETS,
)

PUBLISHED_TOTAL = Counter(
    "messages_published_total",
    "Events the relay sent, by what the broker answered (confirmed, nacked, returned).",
    ("vhost", "type", "partition", "result"),
)
PUBLISH_AGE = Histogram(
    "outbox_publish_age_seconds",
    "Age of an event, from the start of its transaction, when the broker confirmed it.",
    ("vhost",),
    buckets=AGE_BUCKETS,
)
PROCESSED_TOTAL = Counter(
    "messages_processed_total",
    "Events handled, by result (ok, duplicate, parked; retry: the handler raised, what follows is counted again).",
    ("vhost", "type", "partition", "result"),
)
MESSAGE_AGE = Histogram(
    "message_age_seconds",
    "Age of an event, from when it was emitted, when its handler had committed.",
    ("vhost", "type"),
    buckets=AGE_BUCKETS,
)
BATCH_SIZE = Histogram(
    "consumer_batch_size_events",
    "Events handled in one transaction.",
    ("vhost",),
    buckets=(1, 2, 5, 10, 20, 50),
)
PARKED_TOTAL = Counter(
    "messages_parked_total", "Events and effects put aside for a person, by source and type.", ("source", "type")
)

EFFECT_CALLS_TOTAL = Counter(
    "effect_calls_total",
    "Calls to the outside world, by result (done, retry, stale: the answer of an attempt that was superseded).",
    ("kind", "result"),
)
EFFECT_DURATION = Histogram(
    "effect_call_duration_seconds", "Time of one call to the outside world.", ("kind",), buckets=HTTP_BUCKETS
)

GUARDED_CALLS_TOTAL = Counter(
    "guarded_calls_total",
    "Calls to a dependency, by result (ok, failed, timeout; not made at all: open, full).",
    ("dependency", "result"),
)
RETRIES_TOTAL = Counter(
    "guard_retries_total",
    "Calls that failed and were repeated (made) or could not be afforded (no_budget).",
    ("dependency", "result"),
)
BREAKER_STATE = Gauge(
    "circuit_breaker_state",
    "1 for the state a dependency's circuit breaker is in (closed, open, half_open), 0 for the others.",
    ("dependency", "state"),
)
BREAKER_TRANSITIONS_TOTAL = Counter(
    "circuit_breaker_transitions_total", "Changes of a circuit breaker, by the state it came to.", ("dependency", "to")
)
BULKHEAD_LIMIT = Gauge("bulkhead_limit", "Calls to a dependency that may be under way at once.", ("dependency",))
BULKHEAD_IN_USE = Gauge("bulkhead_in_use", "Calls to a dependency that are under way now.", ("dependency",))
BULKHEAD_WAITING = Gauge("bulkhead_waiting", "Calls to a dependency that wait for one of them to end.", ("dependency",))

OUTBOX_PENDING = Gauge("outbox_pending_events", "Committed events that are not yet published.")
OUTBOX_AGE = Gauge("outbox_oldest_age_seconds", "Age of the oldest event that is not yet published; 0 when none.")
OUTBOX_BLOCKED = Gauge("outbox_blocked_orders", "Orders whose next event the broker refused at the last attempt.")
EFFECTS_PENDING = Gauge("effects_pending", "Calls to the outside world that are not done, by kind.", ("kind",))
EFFECTS_AGE = Gauge("effects_oldest_age_seconds", "Age of the oldest effect that is not done; 0 when none.", ("kind",))
PARKED = Gauge("parked_messages", "Events and effects that wait for a person.")
QUARANTINED = Gauge("quarantined_orders", "Orders whose later events wait behind a parked one.")


@cache
def child(metric: Any, *labels: object) -> Any:
    """`metric.labels(..)`, remembered: for what is counted with every event. A sixth of the time."""
    return metric.labels(*labels)


def published(vhost: str, type_: str, partition: int, result: str, created_at: datetime | None = None) -> None:
    """Count one event the relay sent; with its age when it was confirmed."""
    child(PUBLISHED_TOTAL, vhost, type_, partition, result).inc()
    if created_at is not None:
        child(PUBLISH_AGE, vhost).observe(age_seconds(created_at))


def processed(vhost: str, type_: str, partition: int, result: str, emitted_at: datetime) -> None:
    """Count one event a consumer is done with, after its commit."""
    child(PROCESSED_TOTAL, vhost, type_, partition, result).inc()
    child(MESSAGE_AGE, vhost, type_).observe(age_seconds(emitted_at))


def parked(source: str, type_: str) -> None:
    """Count what was put aside. Only what this service knows is named: the rest is a stranger's text."""
    known = (source, type_) in KNOWN_TO_PARK
    PARKED_TOTAL.labels(*((source, type_) if known else (OTHER, OTHER))).inc()


def breaker_state(dependency: str, states: Iterable[str], current: str) -> None:
    """Show the state a breaker is in."""
    for state in states:
        BREAKER_STATE.labels(dependency, state).set(state == current)


def preset_dependency(dependency: str, states: Iterable[str]) -> None:
    """Let everything that is counted of a dependency begin at 0."""
    for result in ("ok", "failed", "timeout", "open", "full"):
        GUARDED_CALLS_TOTAL.labels(dependency, result)
    for result in ("made", "no_budget"):
        RETRIES_TOTAL.labels(dependency, result)
    for state in states:
        BREAKER_TRANSITIONS_TOTAL.labels(dependency, state)
    BULKHEAD_IN_USE.labels(dependency)
    BULKHEAD_WAITING.labels(dependency)


def silence() -> None:
    """Count nothing from now on, and make no series: what `python -m bench.metrics_cost` compares with."""
    for kind, ways in {Counter: ["inc"], Gauge: ["inc", "dec", "set", "set_function"], Histogram: ["observe"]}.items():
        setattr(kind, "labels", lambda metric, *_: metric)  # noqa: B010  mypy would not have it assigned
        for way in ways:
            setattr(kind, way, lambda *_: None)


def method(name: str) -> str:
    """A request's method, as a label can hold it."""
    return name if name in METHODS else OTHER


def age_seconds(since: datetime) -> float:
    """How long ago that was, by this machine's clock."""
    return max(0.0, (datetime.now(UTC) - since).total_seconds())


def set_gauges(sample: Any, effects: Mapping[str, Any]) -> None:
    """Show what the database held when it was last sampled; `effects` by kind, every kind that there is."""
    OUTBOX_PENDING.set(sample.outbox_pending)
    OUTBOX_AGE.set(sample.outbox_age)
    OUTBOX_BLOCKED.set(sample.outbox_blocked)
    PARKED.set(sample.parked)
    QUARANTINED.set(sample.quarantined)
    for kind, found in effects.items():
        EFFECTS_PENDING.labels(kind).set(found.pending if found else 0)
        EFFECTS_AGE.labels(kind).set(found.age if found else 0)
