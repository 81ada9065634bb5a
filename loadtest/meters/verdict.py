"""What the last `verify` found: one number for each invariant, and when that was."""

import time
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge

from meters.gateway import push


def registry(violations: Mapping[int, int], seconds: float) -> CollectorRegistry:
    """The metrics of one run."""
    own = CollectorRegistry()
    found = Gauge(
        "verify_invariant_violations",
        "Orders, payments, mails and so on that broke an invariant when verify last looked.",
        ("invariant",),
        registry=own,
    )
    for number, names in violations.items():
        found.labels(number).set(names)
    Gauge("verify_last_run_timestamp_seconds", "When verify last looked.", registry=own).set(time.time())
    Gauge("verify_duration_seconds", "How long verify took.", registry=own).set(seconds)
    return own


def tell(gateway: str, violations: Mapping[int, int], seconds: float) -> bool:
    """Leave it at the Pushgateway. Returns whether it arrived."""
    return push(gateway, registry(violations, seconds), job="verify")
