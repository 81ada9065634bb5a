"""A stack of the fault suite's own, because what it does to one would disturb every other test."""

import fcntl
import os
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from bearer import Tokens
from faults import capacity
from faults.reset import reset
from faults.system import System
from native import Stack, free_base
from outside.books import open_books
from outside.shop import Shop

# Every time is shortened: call < lease < charge give-up < order expiry. A broker hands the queues of a frozen consumer
# on after two to three heartbeats.
COMMON = {
    "QS_CALL_TIMEOUT_SECONDS": "0.5",
    "QS_EFFECT_LEASE_SECONDS": "2",
    "QS_BROKER_HEARTBEAT_SECONDS": "4",
}
SETTINGS = {
    "order": {**COMMON, "QS_ORDER_TTL_SECONDS": "10"},
    "payment": {**COMMON, "QS_CHARGE_GIVE_UP_SECONDS": "4"},
    "notification": COMMON,
}
CONNECTIONS = 500


@pytest.fixture(scope="session")
def faults_seed(request: pytest.FixtureRequest) -> str:
    """From FAULTS_SEED, or a new one; printed, so that a run can be repeated."""
    seed = os.environ.get("FAULTS_SEED") or str(random.SystemRandom().randrange(10**6))
    say(request, f"fault suite: FAULTS_SEED={seed}")
    return seed


@pytest.fixture(scope="package")
def faults_stack() -> Iterator[Stack]:
    """Two replicas of each service; KEEP_STACK=1 leaves them running, FAULTS_STACK gives them another name."""
    keep, name = "KEEP_STACK" in os.environ, os.environ.get("FAULTS_STACK", "faults")
    stack = Stack(name)
    with alone(stack):
        if not stack.running:
            stack = Stack(name, base_port=free_base())
        stack.up(replicas=2, settings=SETTINGS, patroni=False)
        yield stack
        if not keep:
            stack.down(volumes=True)


@contextmanager
def alone(stack: Stack) -> Iterator[None]:
    """One run of the suite on a stack at a time: two would take each other's attacks for faults."""
    states = stack.layout.root.parent
    states.mkdir(parents=True, exist_ok=True)
    with (states / f".{stack.name}.suite").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.exit(
                f"another run attacks the stack '{stack.name}': wait for it, or set FAULTS_STACK to another name"
            )
        yield


@pytest.fixture(scope="package")
async def faults_system(faults_stack: Stack, request: pytest.FixtureRequest) -> AsyncIterator[System]:
    """The stack with its outside world, and a third of its capacity as the pace."""
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session, open_books(faults_stack) as books:
        pace = await capacity.per_second(Shop(session, faults_stack.url("edge"), Tokens.load(faults_stack.name)), books)
        say(request, f"fault suite: {pace:.0f} orders a second, a third of what this machine carries now")
        yield System(faults_stack, session, books, pace)


@pytest.fixture
async def system(faults_system: System, faults_seed: str, request: pytest.FixtureRequest, tmp_path: Path) -> System:
    """The same, with nothing in it but products on the shelf."""
    faults_system.seed = f"{faults_seed} {request.node.name}"
    faults_system.told = tmp_path / "told.jsonl"
    faults_system.told.touch()
    await reset(faults_system)
    return faults_system


def say(request: pytest.FixtureRequest, words: str) -> None:
    """To the terminal, whatever is captured."""
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    assert reporter is not None
    assert capture is not None
    with capture.global_and_fixture_disabled():
        reporter.write_line(f"\n{words}")
