"""The tables of docs/architecture/resilience.md hold the values that the code has."""

import pytest

from chassis import peers, redis
from chassis.effects import effect_guard
from chassis.resilience import Policy
from chassis.settings import ServiceSettings
from native.layout import CHECKOUT
from payment.settings import Settings as PaymentSettings

PAGE = CHECKOUT / "docs" / "architecture" / "resilience.md"


def default(name: str) -> float:
    value = ServiceSettings.model_fields[name].default
    assert isinstance(value, int | float)
    return value


def effects() -> Policy:
    return effect_guard("unused", default("call_timeout_seconds"), int(default("effect_concurrency"))).policy


POLICIES = {
    "`provider`: charge, void, refund": effects(),
    "`smtp`: mail": effects(),
    "`payment`, `notification`: timeline": peers.POLICY,
    "`redis`: cache, token buckets": redis.policy(default("redis_timeout_seconds")),
}


def row(name: str, policy: Policy) -> str:
    """A line of the first table."""
    attempts = "the row" if name.startswith(("`provider`", "`smtp`")) else str(policy.attempts)
    breaker = policy.breaker
    cells = [
        name,
        f"{policy.timeout_seconds:g} s",
        f"{policy.deadline_seconds:g} s",
        attempts,
        f"{policy.concurrency} + {policy.queue}",
        f"{breaker.consecutive_failures}",
        f"{breaker.failure_rate:.0%} of {breaker.minimum_calls}",
        f"{breaker.slow_rate:.0%} over {breaker.slow_seconds:g} s",
        f"{breaker.open_seconds:g} s",
        f"{breaker.probes}",
    ]
    return f"| {' | '.join(cells)} |"


SETTINGS = {
    f"QS_{name.upper()}": f"{fields[name].default:g}"
    for fields, names in (
        (
            ServiceSettings.model_fields,
            (
                "call_timeout_seconds",
                "effect_concurrency",
                "effect_lease_seconds",
                "redis_timeout_seconds",
                "customer_requests_per_second",
                "customer_burst",
                "target_seconds",
                "most_backlog_seconds",
            ),
        ),
        (PaymentSettings.model_fields, ("charge_give_up_seconds",)),
    )
    for name in names
}


@pytest.mark.parametrize("name", POLICIES)
def test_the_table_of_calls_has_the_values_of_the_code(name: str) -> None:
    line = row(name, POLICIES[name])
    assert line in PAGE.read_text().splitlines(), f"the line in {PAGE.name} should be:\n{line}"


@pytest.mark.parametrize("name", SETTINGS)
def test_the_table_of_settings_has_their_defaults(name: str) -> None:
    assert f"| `{name}` | {SETTINGS[name]} |" in PAGE.read_text()
