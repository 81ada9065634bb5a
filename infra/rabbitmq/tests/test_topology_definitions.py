"""What is generated: committed as it would be written, with the borders and the delivery rules of the design."""

import json
import re
from pathlib import Path

import pytest

from topology import generate
from topology.contracts import load
from topology.definitions import build
from topology.files import Definitions, dump_definitions, read_definitions

NOTHING = "^$"


@pytest.fixture(scope="module")
def definitions() -> Definitions:
    return build(load(), partitions=4)


def test_the_committed_files_are_what_the_events_generate(capsys: pytest.CaptureFixture[str]) -> None:
    status = generate.run(generate.default_partitions(), check=True)
    assert status == 0, capsys.readouterr().out


def test_drift_is_named_line_by_line(tmp_path: Path, definitions: Definitions) -> None:
    file = tmp_path / "definitions.json"
    file.write_text(dump_definitions(definitions).replace("p02.order.placed.v1", "p02.order.lost.v1"))
    lines = generate.drift(file, dump_definitions(definitions))
    assert {line[0] for line in lines} == {"-", "+"}
    assert all("p02.order.lost.v1" in line for line in lines if line.startswith("-"))
    assert all("p02.order.placed.v1" in line for line in lines if line.startswith("+"))
    assert generate.drift(tmp_path / "missing.json", "{}\n") == ["+{}"]


def test_check_writes_nothing_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "docs" / "asyncapi.json"
    monkeypatch.setattr(generate, "ASYNCAPI", file)
    assert generate.run(4, check=True) == 1
    assert (
        "asyncapi.json does not match the services' events: run python -m topology generate" in capsys.readouterr().out
    )
    assert not file.exists()


def test_what_is_written_is_what_was_built(definitions: Definitions) -> None:
    assert json.loads(dump_definitions(definitions)) == definitions


def test_a_missing_or_broken_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"cannot read .*missing.*; write it with python -m topology generate"):
        read_definitions(tmp_path / "missing")
    (tmp_path / "broken").write_text("{")
    with pytest.raises(SystemExit, match=r"cannot read .*broken"):
        read_definitions(tmp_path / "broken")


def test_each_service_may_publish_at_home_and_read_its_own_queues(definitions: Definitions) -> None:
    permissions = {
        (row["vhost"], row["user"]): (row["configure"], row["write"], row["read"])
        for row in definitions["permissions"]
        if row["user"] not in {"monitor", "topology"}
    }
    assert permissions == {
        ("orders", "order"): (NOTHING, "^events$", r"^order\..*$"),
        ("orders", "payment"): (NOTHING, NOTHING, r"^payment\..*$"),
        ("orders", "notification"): (NOTHING, NOTHING, r"^notification\..*$"),
        ("payments", "payment"): (NOTHING, "^events$", r"^payment\..*$"),
        ("payments", "order"): (NOTHING, NOTHING, r"^order\..*$"),
        ("payments", "notification"): (NOTHING, NOTHING, r"^notification\..*$"),
        ("notifications", "notification"): (NOTHING, "^events$", r"^notification\..*$"),
        ("notifications", "order"): (NOTHING, NOTHING, r"^order\..*$"),
    }


def test_a_service_named_like_another_cannot_reach_its_queues(definitions: Definitions) -> None:
    reads = [row["read"] for row in definitions["permissions"] if row["user"] == "order"]
    assert all(re.search(pattern, "order.p00") for pattern in reads)
    assert not any(re.search(pattern, name) for pattern in reads for name in ("reorder.p00", "orders.p00", "order"))


def test_every_event_reaches_the_same_partition_of_each_subscriber_and_no_other(definitions: Definitions) -> None:
    heard = sorted(
        (row["vhost"], row["destination"])
        for row in definitions["bindings"]
        if row["source"] == "events" and row["routing_key"] == "p03.order.cancelled.v1"
    )
    assert heard == [("orders", "notification.p03"), ("orders", "payment.p03")]


def test_every_subscription_has_its_bindings_in_every_partition(definitions: Definitions) -> None:
    bound = {
        (row["vhost"], row["destination"], row["routing_key"])
        for row in definitions["bindings"]
        if row["source"] == "events"
    }
    expected = {
        (vhost, f"{contract.service}.p{n:02d}", key)
        for contract in load()
        for vhost, events in contract.consumes.items()
        for n in range(4)
        for key in [f"{contract.service}.p{n:02d}.#", *(f"p{n:02d}.{event.type}" for event in events)]
    }
    assert bound == expected


def test_every_queue_is_replicated_and_has_one_active_consumer(definitions: Definitions) -> None:
    assert len(definitions["queues"]) == 5 * (4 + 1)
    for queue in definitions["queues"]:
        assert queue["durable"]
        assert queue["arguments"] == {"x-queue-type": "quorum", "x-single-active-consumer": True}


def test_every_queue_falls_under_exactly_one_policy(definitions: Definitions) -> None:
    for queue in definitions["queues"]:
        matching = [
            policy["definition"]
            for policy in definitions["policies"]
            if policy["vhost"] == queue["vhost"] and re.search(policy["pattern"], queue["name"])
        ]
        assert len(matching) == 1
        dead = queue["name"].endswith(".dead")
        assert matching[0]["delivery-limit"] == (1_000_000 if dead else 20)
        if not dead:
            assert matching[0]["dead-letter-routing-key"] == queue["name"].partition(".")[0] + ".dead"
            assert matching[0]["dead-letter-strategy"] == "at-least-once"
            assert matching[0]["overflow"] == "reject-publish"


def test_no_queue_can_fill_up_and_refuse_everybodys_events(definitions: Definitions) -> None:
    assert "max-length" not in dump_definitions(definitions)


def test_no_user_and_no_password_is_committed(definitions: Definitions) -> None:
    assert set(definitions) == {"vhosts", "permissions", "exchanges", "policies", "queues", "bindings"}
    assert "password" not in dump_definitions(definitions)


def test_another_number_of_partitions_is_one_option_away() -> None:
    two = build(load(), partitions=2)
    names = {row["name"] for row in two["queues"] if row["vhost"] == "notifications"}
    assert names == {"order.p00", "order.p01", "order.dead"}
