"""Faults that somebody causes from outside, shown behind every panel for as long as they last.

What is over is taken back, not set to 0: a drill of last week leaves no line in today's dashboards.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Gauge

from meters.gateway import forget, groups, push

JOB = "drill"


@contextmanager
def fault(gateway: str, name: str, target: str) -> Iterator[bool]:
    """Inside, the fault is at work: fault("http://..", "freeze", "payment"). Gives whether anybody was told."""
    told = begin(gateway, name, target)
    try:
        yield told
    finally:
        end(gateway, name, target)


def begin(gateway: str, name: str, target: str) -> bool:
    """The fault is at work from now on. Returns whether that arrived."""
    own = CollectorRegistry()
    help_text = "1 while a fault that was asked for is at work."
    Gauge("faults_active", help_text, ("fault", "target"), registry=own).labels(name, target).set(1)
    return push(gateway, own, job=JOB, drill=f"{name} {target}")


def end(gateway: str, name: str, target: str) -> bool:
    """It is over, if it ever was. Returns whether that arrived."""
    return forget(gateway, job=JOB, drill=f"{name} {target}")


def end_all(gateway: str) -> bool:
    """Every one is over. Returns whether that arrived."""
    found = groups(gateway, JOB)
    return found is not None and all(forget(gateway, job=JOB, drill=group["drill"]) for group in found)
