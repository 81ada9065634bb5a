"""Every label set that a service can have, made at its start.

A counter that appears with its first event has no rate for that event: what begins at 0 has. And a panel shows zero
where nothing happened, instead of nothing at all.
"""

import platform
from collections.abc import Iterable, Sequence
from itertools import product

from fastapi import APIRouter
from fastapi.routing import APIRoute

from chassis import metrics, saga
from chassis.effects import Step
from chassis.events import Contract

REFUSED = (429, 500, 503)  # of every route, beside the status of its success
READS = (("replica", "replica", ""), ("primary", "primary", "fresh"))
NOT_FROM_REPLICA = ("token", "behind", "lagging", "away", "failed")


def preset(
    contract: Contract,
    steps: Sequence[Step],
    routers: Iterable[APIRouter],
    partitions: int,
    caches: Sequence[str] = (),
) -> None:
    """Make them."""
    metrics.BUILD_INFO.labels(metrics.VERSION, platform.python_version()).set(1)
    metrics.TRANSACTION_RETRIES.labels("http")
    _http(routers)
    _messages(contract, partitions)
    _effects(steps)
    for labels in (*READS, *(("primary", "replica", reason) for reason in NOT_FROM_REPLICA)):
        metrics.QUERIES_TOTAL.labels(*labels)
    for cache in caches:
        _cache(cache)


def _cache(cache: str) -> None:
    for result in ("hit", "negative", "absent", "miss", "behind", "replaced", "away"):
        metrics.CACHE_REQUESTS_TOTAL.labels(cache, result)
    metrics.CACHE_LOAD_DURATION.labels(cache)
    metrics.CACHE_INVALIDATION_AGE.labels(cache)


def _http(routers: Iterable[APIRouter]) -> None:
    for reason in ("rate", "overload", "backlog"):
        metrics.REFUSED_TOTAL.labels(reason)
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                for method, status in product(route.methods or (), (route.status_code or 200, *REFUSED)):
                    metrics.HTTP_DURATION.labels(route.path, method, status)


def _messages(contract: Contract, partitions: int) -> None:
    numbers = range(partitions)
    for event, partition, result in product(contract.publishes, numbers, ("confirmed", "nacked", "returned")):
        metrics.PUBLISHED_TOTAL.labels(contract.vhost, event.type, partition, result)
    metrics.PUBLISH_AGE.labels(contract.vhost)
    for event in contract.publishes:
        saga.STEP_DURATION.labels(event.type)
    for vhost, events in contract.consumes.items():
        metrics.BATCH_SIZE.labels(vhost)
        for event, partition, result in product(events, numbers, ("ok", "duplicate", "retry", "parked")):
            metrics.PROCESSED_TOTAL.labels(vhost, event.type, partition, result)
        for event in events:
            metrics.MESSAGE_AGE.labels(vhost, event.type)
            _parked(event.type.partition(".")[0], event.type)
    _parked(metrics.OTHER, metrics.OTHER)


def _effects(steps: Sequence[Step]) -> None:
    for step in steps:
        metrics.EFFECT_DURATION.labels(step.kind)
        metrics.EFFECTS_PENDING.labels(step.kind)
        metrics.EFFECTS_AGE.labels(step.kind)
        _parked("effect", step.kind)
        for result in ("done", "retry", "stale"):
            metrics.EFFECT_CALLS_TOTAL.labels(step.kind, result)


def _parked(source: str, type_: str) -> None:
    metrics.KNOWN_TO_PARK.add((source, type_))
    metrics.PARKED_TOTAL.labels(source, type_)
