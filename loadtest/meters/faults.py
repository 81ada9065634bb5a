"""A fault that somebody causes from outside, shown behind every panel for as long as it lasts."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Gauge

from meters.gateway import push


@contextmanager
def fault(gateway: str, name: str, target: str) -> Iterator[None]:
    """Inside, the fault is at work: fault("http://..", "freeze", "payment")."""
    _show(gateway, name, target, at_work=True)
    try:
        yield
    finally:
        _show(gateway, name, target, at_work=False)


def _show(gateway: str, name: str, target: str, *, at_work: bool) -> None:
    own = CollectorRegistry()
    help_text = "1 while a fault that was asked for is at work."
    Gauge("faults_active", help_text, ("fault", "target"), registry=own).labels(name, target).set(at_work)
    push(gateway, own, job="drill", drill=f"{name} {target}")
