"""Against a real broker: applying is idempotent, and whatever is missing, wrong or too much is named.

The damage is done in a vhost of the test's own beside the services', with the same users.
"""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from native import Stack
from topology import apply
from topology.contracts import load
from topology.definitions import build
from topology.drift import differences
from topology.files import Definitions, dump_definitions, vhosts_of
from topology.management import Management

VHOST = "scratch-orders"
QUORUM = {"durable": True, "arguments": {"x-queue-type": "quorum"}}
CLASSIC = {"durable": True, "arguments": {"x-queue-type": "classic"}}
WEAK = {"pattern": "^payment", "apply-to": "queues", "priority": 0, "definition": {"delivery-limit": 5}}
EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}
PLACED = "p00.order.placed.v1"


@pytest.fixture(scope="module")
def definitions() -> Definitions:
    """The orders vhost under another name, with one partition."""
    contracts = [
        replace(
            contract,
            vhost=f"scratch-{contract.vhost}",
            consumes={f"scratch-{vhost}": events for vhost, events in contract.consumes.items()},
        )
        for contract in load()
    ]
    whole = build(contracts, partitions=1)
    return {
        section: [row for row in rows if VHOST in (row.get("vhost"), row["name"] if section == "vhosts" else None)]
        for section, rows in whole.items()
    }


@pytest.fixture(scope="module")
def management(stack: Stack) -> Management:
    return Management(stack.url("rabbitmq"), apply.USER, stack.secret(apply.USER))


@pytest.fixture(autouse=True)
def settings(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "topology_password").write_text(stack.secret(apply.USER))
    monkeypatch.setenv("QS_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("QS_MANAGEMENT_URL", stack.url("rabbitmq"))


@pytest.fixture
def applied(definitions: Definitions, management: Management) -> Iterator[Management]:
    """The scratch vhost as it should be; it is gone afterwards."""
    assert apply.run(definitions, change=True, wait_seconds=5) == 0
    yield management
    management.delete("vhosts", VHOST)


Damage = Callable[[Management], None]

REPAIRABLE: dict[str, Damage] = {
    f"missing binding events -> queue payment.p00 with key {PLACED}": lambda api: api.delete(
        "bindings", VHOST, "e", "events", "q", "payment.p00", PLACED
    ),
    "missing queue notification.dead": lambda api: api.delete("queues", VHOST, "notification.dead"),
    "missing exchange dead-letters": lambda api: api.delete("exchanges", VHOST, "dead-letters"),
    "missing policy dead-letters": lambda api: api.delete("policies", VHOST, "dead-letters"),
    "missing permission of user payment": lambda api: api.delete("permissions", VHOST, "payment"),
    "different policy payment.partitions": lambda api: api.put("policies", VHOST, "payment.partitions", body=WEAK),
    "different permission of user payment": lambda api: api.put("permissions", VHOST, "payment", body=EVERYTHING),
    "missing vhost": lambda api: api.delete("vhosts", VHOST),
}


def _classic_queue(api: Management) -> None:
    api.delete("queues", VHOST, "payment.p00")
    api.put("queues", VHOST, "payment.p00", body=CLASSIC)


def _other_exchange(api: Management) -> None:
    api.delete("exchanges", VHOST, "dead-letters")
    api.put("exchanges", VHOST, "dead-letters", body={"type": "fanout", "durable": True})


FOR_A_PERSON: dict[str, Damage] = {
    "unexpected queue payment.p07": lambda api: api.put("queues", VHOST, "payment.p07", body=QUORUM),
    "unexpected exchange gossip": lambda api: api.put("exchanges", VHOST, "gossip", body={"type": "fanout"}),
    "unexpected binding events -> queue payment.p00 with key #": lambda api: api.post(
        "bindings", VHOST, "e", "events", "q", "payment.p00", body={"routing_key": "#"}
    ),
    "unexpected policy mine": lambda api: api.put("policies", VHOST, "mine", body=WEAK),
    "unexpected operator policy theirs": lambda api: api.put(
        "operator-policies", VHOST, "theirs", body={**WEAK, "definition": {"max-length": 10}}
    ),
    "unexpected topic permission of user order on events": lambda api: api.put(
        "topic-permissions", VHOST, "order", body={"exchange": "events", "write": "^never$", "read": ""}
    ),
    "unexpected parameter vhost-limits limits": lambda api: api.put(
        "vhost-limits", VHOST, "max-queues", body={"value": 100}
    ),
    "different queue payment.p00": _classic_queue,
    "different exchange dead-letters": _other_exchange,
}


@pytest.mark.parametrize("name", REPAIRABLE)
def test_what_is_missing_or_wrong_is_named_and_applying_repairs_it(
    name: str, definitions: Definitions, applied: Management, capsys: pytest.CaptureFixture[str]
) -> None:
    REPAIRABLE[name](applied)
    assert apply.run(definitions, change=False, wait_seconds=5) == 1
    named = [line for line in capsys.readouterr().out.splitlines() if line.startswith(name)]
    assert len(named) == 1
    assert VHOST in named[0]
    assert named[0].endswith("run python -m topology apply")
    assert apply.run(definitions, change=True, wait_seconds=5) == 0


@pytest.mark.parametrize("name", FOR_A_PERSON)
def test_what_may_hold_messages_or_rights_is_named_and_left_to_a_person(
    name: str, definitions: Definitions, applied: Management, capsys: pytest.CaptureFixture[str]
) -> None:
    FOR_A_PERSON[name](applied)
    assert apply.run(definitions, change=True, wait_seconds=5) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("waiting")]
    assert [line for line in lines if line.startswith(f"{name} in vhost {VHOST}: ")]
    assert differences(definitions, applied)


def test_an_extra_permission_is_named(definitions: Definitions, applied: Management) -> None:
    fewer = [row for row in definitions["permissions"] if row["user"] != "notification"]
    [line] = differences({**definitions, "permissions": fewer}, applied)
    assert line.startswith(f"unexpected permission of user notification in vhost {VHOST}: nothing declares it; ")
    assert line.endswith(f"rabbitmqctl clear_permissions --vhost {VHOST} notification")


def test_applying_twice_changes_nothing(
    definitions: Definitions, applied: Management, capsys: pytest.CaptureFixture[str]
) -> None:
    before = applied.get("definitions", VHOST)
    assert apply.run(definitions, change=True, wait_seconds=5) == 0
    assert "the broker has exactly this topology: 1 vhosts" in capsys.readouterr().out
    assert applied.get("definitions", VHOST) == before


def test_the_stack_has_exactly_the_committed_topology() -> None:
    command = [sys.executable, "-m", "topology", "apply", "--check"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_a_file_of_other_definitions_can_be_compared(definitions: Definitions, tmp_path: Path) -> None:
    file = tmp_path / "definitions.json"
    file.write_text(dump_definitions(definitions))
    command = [sys.executable, "-m", "topology", "apply", "--check", "--definitions", str(file)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 1
    assert finished.stdout == f"missing vhost {vhosts_of(definitions)[0]}: run python -m topology apply\n"


def test_a_broker_that_does_not_come_is_named_after_the_time_given(
    definitions: Definitions, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QS_MANAGEMENT_URL", "http://127.0.0.1:1")
    with pytest.raises(SystemExit, match=r"at http://127\.0\.0\.1:1 was not ready in 0\.3 s: it does not answer"):
        apply.run(definitions, change=True, wait_seconds=0.3)
    assert "waiting up to 0.3 s for the broker" in capsys.readouterr().err


def test_a_wrong_password_is_named(definitions: Definitions, tmp_path: Path) -> None:
    (tmp_path / "topology_password").write_text("wrong")
    with pytest.raises(SystemExit, match="it refuses user 'topology' with this password"):
        apply.run(definitions, change=True, wait_seconds=0)


def test_a_user_that_the_broker_does_not_know_is_named(definitions: Definitions) -> None:
    stranger = {"user": "nobody", "vhost": VHOST, **EVERYTHING}
    with pytest.raises(SystemExit, match="it has no user nobody; let it load the output of python -m topology users"):
        apply.run({**definitions, "permissions": [stranger]}, change=True, wait_seconds=0)


def test_another_number_of_partitions_is_refused(definitions: Definitions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QS_PARTITIONS", "8")
    with pytest.raises(SystemExit, match="QS_PARTITIONS is 8, but the definitions have 1 partitions"):
        apply.run(definitions, change=True, wait_seconds=5)


def test_a_broker_that_hangs_does_not_stretch_the_time(
    definitions: Definitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("QS_MANAGEMENT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(SystemExit, match=r"was not ready in 0\.1 s: it does not answer \(timed out\)"):
            apply.run(definitions, change=True, wait_seconds=0.1)


def test_another_server_at_the_address_is_named(
    definitions: Definitions, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QS_MANAGEMENT_URL", f"{stack.url('rabbitmq')}/elsewhere")
    with pytest.raises(SystemExit, match="was not ready in 0 s: GET /elsewhere/api/users was refused with 404"):
        apply.run(definitions, change=True, wait_seconds=0)


@pytest.mark.parametrize("url", ["localhost:15672", "amqp://localhost", "http://localhost:a", "http://localhost:0", ""])
def test_an_address_that_is_none_is_named(url: str, definitions: Definitions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QS_MANAGEMENT_URL", url)
    with pytest.raises(SystemExit, match="QS_MANAGEMENT_URL"):
        apply.run(definitions, change=True, wait_seconds=5)
