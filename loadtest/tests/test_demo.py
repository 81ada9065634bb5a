"""The demonstration shows every way an order can end, and leaves everything as it was, even when it is interrupted."""

import json
import signal
import subprocess
import sys
import urllib.request

import pytest

from native import Stack
from native.processes import is_frozen

pytest_plugins = ("verify_fixtures",)

COLUMNS = 100
LIMIT_SECONDS = 90


@pytest.fixture
def faults(stack: Stack) -> dict[str, float]:
    """What somebody has set at the provider before."""
    change = urllib.request.Request(  # noqa: S310  our own provider
        f"{stack.url('provider')}/faults",
        data=b'{"jitter_ms": 2}',
        method="PUT",
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(change, timeout=5) as answer:  # noqa: S310
        given: dict[str, float] = json.load(answer)
    return given


def in_force(stack: Stack) -> dict[str, float]:
    """What is set there now."""
    with urllib.request.urlopen(f"{stack.url('provider')}/faults", timeout=5) as answer:  # noqa: S310
        found: dict[str, float] = json.load(answer)
    return found


def start(stack: Stack) -> subprocess.Popen[str]:
    """The demonstration."""
    command = [sys.executable, "-u", "-m", "demo", "--stack", stack.name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_demonstration_shows_every_end_of_an_order_and_verifies_it(stack: Stack, faults: dict[str, float]) -> None:
    told, complaints = start(stack).communicate(timeout=LIMIT_SECONDS)
    assert "every invariant holds" in told, told + complaints
    for end in (
        "confirmed in ",
        "payment.declined (card_declined)",
        "payment.declined (insufficient_funds)",
        "payment.voided",
        "payment.refunded",
        "cancelled (expired) in ",
    ):
        assert end in told
    chains = told.partition("python -m verify")[0]
    assert max(map(len, chains.splitlines())) <= COLUMNS
    assert in_force(stack) == faults


def test_interrupted_it_leaves_nothing_frozen_and_no_faults(stack: Stack, faults: dict[str, float]) -> None:
    demo = start(stack)
    assert demo.stdout is not None
    while "Nobody answers" not in demo.stdout.readline():
        assert demo.poll() is None
    payments = [stack.pid(instance) for instance in stack.plan.instances("payment")]
    while not all(map(is_frozen, payments)):
        assert demo.poll() is None
    demo.send_signal(signal.SIGTERM)  # the same handler as for Ctrl-C; without one Python would end at once
    _, complaint = demo.communicate(timeout=LIMIT_SECONDS)
    assert demo.returncode == 1
    assert complaint.startswith("interrupted: ")
    assert complaint.count("\n") == 1
    assert not any(map(is_frozen, payments))
    assert in_force(stack) == faults
