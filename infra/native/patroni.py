"""Postgres under Patroni: etcd, and two nodes of which either can lead. infra/postgres/patroni.yml says how.

A node is Patroni and the server it started, and they live and die as one (together.py).
"""

import shutil
from hashlib import sha256
from pathlib import Path

from native import jobs, passwords, probes
from native.errors import StackError
from native.layout import INFRA, Layout
from native.plan import Plan
from native.ports import HOST
from native.postgres import CONFIGURATION, NODES, binaries, cluster, directory, own, user, write
from native.program import Program

ETCD = "etcd"
COPIED = (
    *(CONFIGURATION / name for name in ("postgresql.conf", "pg_hba.conf", "bootstrap.sql", "database.sql", "start.sh")),
    INFRA / "native" / "together.py",
)
SECRETS = (*passwords.POSTGRES_ROLES, "patroni")


def programs(layout: Layout, plan: Plan) -> list[Program]:
    """etcd and both nodes."""
    return [_etcd(layout, plan), *(_node(layout, plan, node) for node in NODES)]


def configure(layout: Layout, plan: Plan) -> None:
    """Render both nodes' configuration, readable for the server's user only."""
    layout.data(ETCD).mkdir(parents=True, exist_ok=True)
    for node in NODES:
        own(layout, node)
        place = directory(layout, node)
        for file in COPIED:
            write(place / file.name, file.read_text())
        for name in ("patroni", "secrets"):
            jobs.owner(place / name, user())
        for secret in SECRETS:
            write(place / "secrets" / secret, passwords.password(layout, secret))
        # Patroni reads a directory's files in order, the later ones win.
        write(place / "patroni" / "10-patroni.yml", (CONFIGURATION / "patroni.yml").read_text())
        write(place / "patroni" / "20-native.yml", places(layout, node))


def places(layout: Layout, node: str) -> str:
    """What differs from the containers' paths, and has no variable."""
    place = directory(layout, node)
    return f"""bootstrap:
  post_bootstrap: {binaries()}/psql -X -q -f {place}/bootstrap.sql -d
postgresql:
  custom_conf: {place}/postgresql.conf
  parameters:
    hba_file: {place}/pg_hba.conf
    unix_socket_directories: {layout.postgres_socket(node)}
"""


def environment(layout: Layout, plan: Plan, node: str) -> dict[str, str]:
    """Who the node is, and where."""
    api, port = plan.ports[f"{node}-api"], plan.ports[node]
    return {
        "SECRETS": str(directory(layout, node) / "secrets"),
        "PATRONI_NAME": node,
        "PATRONI_ETCD3_HOSTS": f"{HOST}:{plan.ports[ETCD]}",
        "PATRONI_RESTAPI_LISTEN": f"{HOST}:{api}",
        "PATRONI_RESTAPI_CONNECT_ADDRESS": f"{HOST}:{api}",
        "PATRONI_POSTGRESQL_LISTEN": f"{HOST}:{port}",
        "PATRONI_POSTGRESQL_CONNECT_ADDRESS": f"{HOST}:{port}",
        "PATRONI_POSTGRESQL_DATA_DIR": str(cluster(layout, node)),
        "PATRONI_POSTGRESQL_BIN_DIR": str(binaries()),
        "PATRONI_POSTGRESQL_PGPASS": str(directory(layout, node) / "pgpass"),
    }


def forget(layout: Layout) -> None:
    """What etcd knows of a cluster whose databases are gone would let both nodes wait for the other for ever."""
    if not any((cluster(layout, node) / "PG_VERSION").exists() for node in NODES):
        shutil.rmtree(layout.data(ETCD) / "data", ignore_errors=True)


def interpreter(layout: Layout) -> Path:
    """The Python that Patroni is installed in: beside the stacks, where the server's user can read it."""
    lock = sha256((CONFIGURATION / "requirements.txt").read_bytes()).hexdigest()[:12]
    python = layout.root.parent / f".patroni-{lock}" / "bin" / "python"
    if not python.exists():
        raise StackError("Patroni is not installed: run infra/native/bootstrap")
    return python


def _etcd(layout: Layout, plan: Plan) -> Program:
    binary = shutil.which("etcd", path="/usr/bin:/usr/local/bin")
    if binary is None:
        raise StackError("etcd is not installed: run infra/native/bootstrap")
    clients, peers = (f"http://{HOST}:{plan.ports[name]}" for name in (ETCD, "etcd-peers"))
    options = {
        "name": "etcd",
        "data-dir": f"{layout.data(ETCD)}/data",
        "listen-client-urls": clients,
        "advertise-client-urls": clients,
        "listen-peer-urls": peers,
        "initial-advertise-peer-urls": peers,
        "initial-cluster": f"etcd={peers}",
        "auto-compaction-mode": "periodic",  # the leader's key is written every second: old versions go
        "auto-compaction-retention": "1h",
        "logger": "zap",
        "log-level": "warn",
    }
    return Program(
        name=ETCD,
        command=(binary, *(f"--{name}={value}" for name, value in options.items())),
        waits_for="answers /health",
        ready=lambda: probes.http_ok(plan.ports[ETCD], "/health"),
        ports={ETCD: plan.ports[ETCD], "etcd-peers": plan.ports["etcd-peers"]},
    )


def _node(layout: Layout, plan: Plan, node: str) -> Program:
    place, python, api = directory(layout, node), str(interpreter(layout)), plan.ports[f"{node}-api"]
    together = (python, f"{place}/together.py", str(layout.data(node)))
    start = ("/bin/sh", f"{place}/start.sh", python, "-m", "patroni", f"{place}/patroni")
    return Program(
        name=node,
        command=(*together, *start),
        waits_for="leads, or follows synchronously",
        ready=lambda: probes.http_ok(api, "/primary") or probes.http_ok(api, "/sync"),
        ports={node: plan.ports[node], f"{node}-api": api},
        environment=environment(layout, plan, node),
        user=user(),
        files=(place,),
    )
