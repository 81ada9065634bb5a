"""Metrics begin at 0, stay closed sets whatever strangers send, and tell how long a step took."""

import subprocess
import sys
import time
from uuid import uuid4

import pytest
from fastapi import APIRouter
from prometheus_client import REGISTRY

from chassis import metrics, saga
from chassis.db import Session
from chassis.events import Contract, Event, uuid7
from chassis.outbox import Emission, emitted
from chassis.preset import preset


class Sown(Event, type="field.sown.v1"):
    """Something was sown."""


class Reaped(Event, type="field.reaped.v1"):
    """Something was reaped."""


CONTRACT = Contract("farm", "farms", publishes=(Sown,), consumes={"fields": (Reaped,)})


def test_every_label_set_begins_at_zero() -> None:
    router = APIRouter()
    router.add_api_route("/fields/{id}", lambda: None, methods=["POST"], status_code=201)
    preset(CONTRACT, [], [router], partitions=2, caches=["field"])
    expected = [
        ("messages_published_total", {"vhost": "farms", "type": Sown.type, "partition": "1", "result": "returned"}),
        ("messages_processed_total", {"vhost": "fields", "type": Reaped.type, "partition": "0", "result": "retry"}),
        ("message_age_seconds_count", {"vhost": "fields", "type": Reaped.type}),
        ("http_server_request_duration_seconds_count", {"route": "/fields/{id}", "method": "POST", "status": "201"}),
        ("http_server_request_duration_seconds_count", {"route": "/fields/{id}", "method": "POST", "status": "503"}),
        ("cache_requests_total", {"cache": "field", "result": "hit"}),
        ("saga_step_duration_seconds_count", {"step": Sown.type}),
    ]
    for name, labels in expected:
        assert REGISTRY.get_sample_value(name, labels) == 0, name


def test_what_a_stranger_parks_is_counted_as_other() -> None:
    preset(CONTRACT, [], [], partitions=1)
    before = parked(metrics.OTHER, metrics.OTHER)
    metrics.parked("field", Reaped.type)
    metrics.parked(f"nobody-{uuid4()}", "made.up.v1")
    assert parked("field", Reaped.type) == 1
    assert parked(metrics.OTHER, metrics.OTHER) == before + 1


def parked(source: str, type_: str) -> float:
    """What was counted."""
    return REGISTRY.get_sample_value("messages_parked_total", {"source": source, "type": type_}) or 0


def test_a_made_up_method_is_counted_as_other() -> None:
    assert metrics.method("POST") == "POST"
    assert metrics.method("BREW") == metrics.OTHER


async def test_a_step_lasts_from_its_cause_to_the_commit_that_ends_it() -> None:
    preset(CONTRACT, [], [], partitions=1)
    cause = uuid7()
    session = Session()
    emitted(session).append(Emission(uuid7(), 0, Sown.type, uuid7(), 1, "{}", uuid7(), cause))
    emitted(session).append(Emission(uuid7(), 0, Sown.type, uuid7(), 1, "{}", uuid7(), None))
    before = steps()
    saga.count_steps(session)
    assert steps() == before + 1, "what a person or a clock has caused is no step"


def steps() -> float:
    """How many steps were measured."""
    return REGISTRY.get_sample_value("saga_step_duration_seconds_count", {"step": Sown.type}) or 0


def test_an_id_tells_its_age() -> None:
    id_ = uuid7()
    assert saga.age_of(id_) == pytest.approx(time.time() - (id_.int >> 80) / 1000, abs=0.1)


def test_silenced_metrics_count_nothing_and_make_no_series() -> None:
    program = """
from chassis import metrics
from prometheus_client import generate_latest
metrics.silence()
metrics.processed("orders", "order.placed.v1", 0, "ok", datetime.now(UTC))
metrics.POOL_IN_USE.labels("api").set_function(lambda: 1)
with metrics.CACHE_LOAD_DURATION.labels("products").time():
    metrics.HTTP_ACTIVE.inc()
lines = generate_latest().decode().splitlines()
print([line for line in lines if line.startswith(("messages_", "message_age", "database_pool", "cache_load"))])
"""
    imports = "from datetime import UTC, datetime\n"
    done = subprocess.run([sys.executable, "-c", imports + program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
