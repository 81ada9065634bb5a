"""The border: what each service's broker user must be allowed and refused, tried over real connections."""

import asyncio
import gc
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from native import Stack
from topology import attempts, border
from topology.apply import USER
from topology.attempts import outcome
from topology.border import ALLOWED, REFUSED, Attempt
from topology.contracts import load
from topology.files import Row, read_definitions
from topology.management import Management, ManagementError

CHECK = Path(__file__).parents[1] / "check"
OPEN = "scratch-border"


def named(attempt: Attempt) -> str:
    return f"{attempt.user} in {attempt.vhost}: {attempt}"


async def outcome_of(attempt: Attempt, stack: Stack) -> str:
    return await outcome(attempt, "127.0.0.1", stack.ports["rabbitmq"], stack.secret(attempt.user))


@pytest.mark.parametrize("attempt", border.attempts(load()), ids=named)
async def test_a_user_can_do_what_it_must_and_nothing_else(attempt: Attempt, stack: Stack) -> None:
    assert await outcome_of(attempt, stack) == attempt.expected


async def test_a_refused_connection_is_closed_and_not_left_to_the_garbage_collector(stack: Stack) -> None:
    attempt = Attempt("payment", "notifications", "connect_to", "notifications", REFUSED)
    gc.disable()
    try:
        for _ in range(3):
            assert await outcome_of(attempt, stack) == REFUSED
            await asyncio.to_thread(gc.collect)  # where there is no event loop: its failure is a warning, so an error
    finally:
        gc.enable()


def test_every_service_is_tried_at_every_vhost_in_every_way() -> None:
    tried = border.attempts(load())
    assert len({(attempt.user, attempt.vhost) for attempt in tried}) == 9
    assert {attempt.verb for attempt in tried} == set(attempts.VERBS)
    refused = {(a.user, a.vhost, a.verb, a.target) for a in tried if a.expected == REFUSED}
    assert ("order", "payments", "publish_to", "events") in refused
    assert ("payment", "orders", "consume", "notification.p00") in refused
    assert ("payment", "orders", "bind_queue", "notification.p00") in refused
    assert ("payment", "notifications", "connect_to", "notifications") in refused
    assert ("order", "orders", "declare_queue", "order.border-check") in refused


def test_a_person_is_shown_the_border_and_that_it_holds(stack: Stack, tmp_path: Path) -> None:
    finished = run_check(stack, tmp_path)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "user payment in vhost notifications" in finished.stdout
    assert "WRONG" not in finished.stdout
    assert finished.stdout.rstrip().endswith("the border holds")


def test_a_person_is_told_which_user_cannot_connect(stack: Stack, tmp_path: Path) -> None:
    finished = run_check(stack, tmp_path, payment="wrong")
    assert finished.returncode == 1
    assert "user payment cannot reach the broker at 127.0.0.1:" in finished.stderr
    assert "Traceback" not in finished.stderr


def run_check(stack: Stack, directory: Path, **wrong: str) -> subprocess.CompletedProcess[str]:
    for user in ("order", "payment", "notification"):
        (directory / f"{user}_password").write_text(wrong.get(user, stack.secret(user)))
    environment = {"QS_BROKER_PORT": str(stack.ports["rabbitmq"]), "QS_SECRETS_DIR": str(directory), "PATH": "/bin"}
    return subprocess.run([CHECK], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def open_vhost(stack: Stack) -> Iterator[Management]:
    """A copy of the orders vhost that lets payment do everything, by a mistake in its permissions."""
    copy: dict[str, list[Row]] = {"vhosts": [{"name": OPEN}]}
    for section, rows in read_definitions().items():
        if section != "vhosts":
            copy[section] = [row | {"vhost": OPEN} for row in rows if row["vhost"] == "orders"]
    management = Management(stack.url("rabbitmq"), USER, stack.secret(USER))
    management.post("definitions", body=copy)
    management.put("permissions", OPEN, "payment", body={"configure": ".*", "write": ".*", "read": ".*"})
    yield management
    management.delete("vhosts", OPEN)


async def test_an_open_border_is_noticed_and_not_harmed_by_looking(stack: Stack, open_vhost: Management) -> None:
    before = held(open_vhost)
    for attempt in border.attempts(load()):
        if (attempt.user, attempt.vhost) == ("payment", "orders"):
            found = await outcome_of(Attempt("payment", OPEN, attempt.verb, attempt.target, ALLOWED), stack)
            # The broker itself vouches for the sender's name: that no permission can give away.
            assert (found == REFUSED) == (attempt.verb == "publish_as_somebody_else_to"), str(attempt)
    assert held(open_vhost) == before


def held(management: Management) -> object:
    return management.get("definitions", OPEN)


def test_the_monitor_sees_every_queue_and_takes_nothing_out(stack: Stack) -> None:
    monitor = Management(stack.url("rabbitmq"), "monitor", stack.secret("monitor"))
    for vhost in ("orders", "payments", "notifications"):
        assert {"order.p00", "payment.p00", "notification.p00"} & {row["name"] for row in monitor.get("queues", vhost)}
    body = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
    with pytest.raises(ManagementError, match=r"ACCESS_REFUSED|refuses"):
        monitor.post("queues", "orders", "payment.dead", "get", body=body)
    with pytest.raises(ManagementError):
        monitor.delete("queues", "orders", "payment.dead", "contents")


def test_a_services_password_does_not_open_the_management_api(stack: Stack) -> None:
    with pytest.raises(ManagementError):
        Management(stack.url("rabbitmq"), "order", stack.secret("order")).get("queues")
