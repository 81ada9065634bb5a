"""Postgres under Patroni and as a plain pair: one fact in one place, and never the one's databases under the other."""

import re
from dataclasses import replace

import pytest

from native import components, patroni, postgres
from native.errors import StackError
from native.layout import Layout
from native.passwords import POSTGRES_ROLES
from native.plan import Plan
from native.postgres import CONFIGURATION

PATRONI_SETS = (
    "wal_level",
    "wal_log_hints",
    "hot_standby",
    "max_connections",
    "max_wal_senders",
    "max_replication_slots",
)


def test_patroni_gives_the_server_what_postgresql_conf_says() -> None:
    """These it takes from its own configuration only, whatever the file says."""
    said = dict(re.findall(r"^(\w+) = (\S+)", (CONFIGURATION / "postgresql.conf").read_text(), re.MULTILINE))
    given = dict(re.findall(r"^ {8}(\w+): (\S+)", (CONFIGURATION / "patroni.yml").read_text(), re.MULTILINE))
    assert given == {name: said[name] for name in PATRONI_SETS}


def test_every_role_has_a_password_and_every_password_a_role() -> None:
    text = (CONFIGURATION / "bootstrap.sql").read_text()
    assert set(re.findall(r'cat "\$SECRETS/(\w+)"', text)) == set(POSTGRES_ROLES)
    assert set(re.findall(r"^ALTER ROLE (\w+) PASSWORD", text, re.MULTILINE)) == set(POSTGRES_ROLES)


def test_a_node_is_told_its_own_place_and_no_password() -> None:
    plan, layout = Plan(base_port=9000), Layout.of("unit")
    first, second = (patroni.environment(layout, plan, node) for node in postgres.NODES)
    assert first["PATRONI_POSTGRESQL_CONNECT_ADDRESS"] == "127.0.0.1:9004"
    assert second["PATRONI_RESTAPI_CONNECT_ADDRESS"] == "127.0.0.1:9051"
    assert all(first[name] != second[name] for name in first if name not in {"PATRONI_ETCD3_HOSTS", BINARIES})
    assert not [name for name in first if "PASSWORD" in name]


BINARIES = "PATRONI_POSTGRESQL_BIN_DIR"


@pytest.mark.parametrize("under_patroni", [True, False])
def test_databases_of_the_other_kind_are_refused_in_one_sentence(layout: Layout, under_patroni: bool) -> None:  # noqa: FBT001  a parameter of the test
    wanted = Plan(patroni=under_patroni)
    other = postgres.nodes(replace(wanted, patroni=not under_patroni))[0]
    postgres.cluster(layout, other).mkdir(parents=True)
    layout.root.parent.chmod(0o755)
    with pytest.raises(StackError, match=f"were made .*{other} and .*make down VOLUMES=1 STACK=unit"):
        components._refuse_other_nodes(layout, wanted)


def test_etcd_forgets_a_cluster_whose_databases_are_gone_and_no_other(layout: Layout) -> None:
    remembered = layout.data("etcd") / "data"
    remembered.mkdir(parents=True)
    data = postgres.cluster(layout, "postgres-2")
    data.mkdir(parents=True)
    (data / "PG_VERSION").touch()
    patroni.forget(layout)
    assert remembered.exists()
    (data / "PG_VERSION").unlink()
    patroni.forget(layout)
    assert not remembered.exists()


def test_the_leader_stops_after_its_standby_and_etcd_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_leads", lambda _, node: node == "postgres-2")
    known = ["edge", "order", "rabbitmq", "etcd", "postgres-1", "postgres-2"]
    gone: set[str] = set()
    stopped = []
    for names in components.stages(Plan(), known, kept=True):
        stopped.append(names - gone)
        gone |= names
    assert stopped == [{"edge", "order"}, {"rabbitmq", "postgres-1"}, {"postgres-2"}, {"etcd"}]
    assert components.stages(Plan(), known, kept=False) == [{"postgres-1"}, {"postgres-2"}]


def test_an_unknown_leader_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_leads", lambda *_: False)
    assert postgres.primary_first(Plan()) == postgres.NODES
    assert postgres.primary(Plan(patroni=False)) == postgres.PRIMARY
    with pytest.raises(StackError, match="no Postgres node leads now"):
        postgres.primary(Plan())
