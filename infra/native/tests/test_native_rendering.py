"""What the servers are given: every template has all it needs, and the servers themselves accept it."""

import configparser
import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from native import edge, passwords, prometheus, services, tokens
from native.layout import INFRA, Layout
from native.plan import Plan
from native.ports import SERVICES
from native.program import Program
from native.supervisor import render


def program(layout: Layout, **changes: str) -> Program:
    return Program(
        name="x",
        command=("/bin/x", "50%"),
        waits_for="",
        ready=lambda: True,
        ports={},
        environment={"QS_A": "a,b c", **changes},
        files=(layout.root,),
    )


def test_the_edge_knows_every_instance_and_its_internal_port() -> None:
    plan = Plan(base_port=9000, replicas=2)
    assert "server order-2 127.0.0.1:9022 check port 9023" in edge.backend(plan, "order")
    assert "server notification 127.0.0.1:9040 check port 9041" in edge.backend(plan, "notification")


@pytest.mark.parametrize("balance", ["leastconn", "roundrobin", "source"])
@pytest.mark.parametrize("where", ["native", "compose"])
def test_haproxy_accepts_its_configuration(tmp_path: Path, where: str, balance: str) -> None:
    haproxy = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    assert haproxy is not None, "HAProxy is not installed: run infra/native/bootstrap"
    backends = INFRA / "edge" / "compose.cfg"
    if where == "native":
        backends = tmp_path / "backends.cfg"
        backends.write_text("\n".join(edge.backend(Plan(), service) for service in SERVICES))
    checked = subprocess.run(
        [haproxy, "-c", "-f", INFRA / "edge" / "haproxy.cfg", "-f", backends],
        env={"EDGE_BIND": "127.0.0.1:9000", "EDGE_METRICS_BIND": "127.0.0.1:9001", "EDGE_BALANCE": balance},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr


def test_prometheus_is_told_of_every_instance_unless_only_servers_run() -> None:
    everything = prometheus.groups(Plan(replicas=2))["services"]
    assert len(everything) == 6
    assert everything[1] == {"targets": ["127.0.0.1:8103"], "labels": {"service": "order", "instance": "order-2"}}
    assert prometheus.groups(Plan(only_servers=True))["services"] == []


def test_a_process_is_given_only_its_own_secrets(layout: Layout) -> None:
    layout.root.mkdir()
    passwords.generate(layout)
    own = passwords.directory(layout, "order")
    assert {file.name for file in own.iterdir()} == {"database_password", "broker_password", "redis_password"}
    assert (own / "database_password").read_text() == passwords.password(layout, "order_app")
    assert {file.stat().st_mode & 0o777 for file in layout.secrets.rglob("*") if file.is_file()} == {0o600}


def test_keys_are_rotated_and_only_public_ones_are_handed_out(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "SEEN_SECONDS", 0)
    layout.root.mkdir()
    tokens.generate(layout)
    first = json.loads(tokens.signing_key(layout).read_text())
    tokens.generate(layout)
    assert json.loads(tokens.signing_key(layout).read_text()) == first
    for _ in range(2):
        before = json.loads(tokens.signing_key(layout).read_text())
        tokens.rotate(layout)
        now = json.loads(tokens.signing_key(layout).read_text())
        known = json.loads((passwords.directory(layout, "payment") / "token_keys.json").read_text())["keys"]
        assert [key["kid"] for key in known] == [now["kid"], before["kid"]]
        assert not any("d" in key for key in known)
    assert first["kid"] not in {key["kid"] for key in known}


def test_a_rotation_that_was_interrupted_locks_nobody_out(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    layout.root.mkdir()
    tokens.generate(layout)
    key = json.loads(tokens.signing_key(layout).read_text())
    monkeypatch.setattr(time, "sleep", interrupt)  # while services look
    with pytest.raises(KeyboardInterrupt):
        tokens.rotate(layout)
    assert json.loads(tokens.signing_key(layout).read_text()) == key
    monkeypatch.setattr(time, "sleep", lambda _: None)
    tokens.rotate(layout)
    known = json.loads((passwords.directory(layout, "order") / "token_keys.json").read_text())["keys"]
    assert key["kid"] in {each["kid"] for each in known}


def test_passwords_stay_what_they_are(layout: Layout) -> None:
    layout.root.mkdir()
    passwords.generate(layout)
    first = passwords.password(layout, "verifier")
    passwords.generate(layout)
    assert passwords.password(layout, "verifier") == first


def test_a_password_that_was_changed_by_hand_is_read_without_its_lines_end(layout: Layout) -> None:
    layout.root.mkdir()
    passwords.generate(layout)
    (layout.secrets / passwords.PLACES["verifier"]).write_text("another\n")
    assert passwords.password(layout, "verifier") == "another"


def test_an_instance_is_told_its_own_ports_and_its_services_settings(layout: Layout) -> None:
    plan = Plan(replicas=2, settings={"order": {"QS_ORDER_TTL_SECONDS": "5"}})
    variables = services.environment(layout, plan, "order-2")
    assert (variables["QS_HTTP_PORT"], variables["QS_INTERNAL_PORT"]) == ("8102", "8103")
    assert variables["QS_ORDER_TTL_SECONDS"] == "5"
    assert "QS_ORDER_TTL_SECONDS" not in services.environment(layout, plan, "payment")


def test_supervisord_reads_what_was_meant(layout: Layout) -> None:
    layout.root.mkdir()
    parser = configparser.RawConfigParser()
    parser.read_string(render(layout, [program(layout)]))
    section = parser["program:x"]
    assert section["command"] == '"/bin/x" "50%%"'
    assert section["environment"].startswith('QS_A="a,b c",')
    assert section["autorestart"] == "true"


@pytest.mark.parametrize("changed", ["file", "setting"])
def test_a_change_shows_in_what_supervisord_compares(layout: Layout, changed: str) -> None:
    layout.root.mkdir()
    (layout.root / "a.conf").write_text("1")
    before = render(layout, [program(layout)])
    if changed == "file":
        (layout.root / "a.conf").write_text("2")
        after = render(layout, [program(layout)])
    else:
        after = render(layout, [program(layout, QS_B="1")])
    assert before != after


def test_target_files_are_what_prometheus_reads(layout: Layout) -> None:
    layout.root.mkdir()
    prometheus.configure(layout, Plan())
    written = json.loads((layout.config / "prometheus" / "targets" / "rabbitmq.json").read_text())
    assert written == [{"targets": ["127.0.0.1:8088"], "labels": {"instance": "rabbitmq"}}]
