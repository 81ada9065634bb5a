"""PostgreSQL: a primary and a synchronous streaming replica, plain processes of the distribution's newest version.

Started by root they run as `postgres`, because the server refuses root; otherwise as whoever started the stack.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from native import jobs, passwords, probes
from native.errors import StackError
from native.layout import INFRA, Layout
from native.plan import Plan
from native.ports import HOST
from native.program import Program

PRIMARY, REPLICA = "postgres-primary", "postgres-replica"
NODES = (PRIMARY, REPLICA)
CONFIGURATION = INFRA / "postgres"


def user() -> str | None:
    """Who the server runs as, where that is not us."""
    return "postgres" if os.geteuid() == 0 else None


def binaries() -> Path:
    """The newest installed version's programs."""
    found = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "postgres").exists()]
    if not found:
        raise StackError("PostgreSQL is not installed: run infra/native/bootstrap")
    return max(found, key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0))


def programs(layout: Layout, plan: Plan) -> list[Program]:
    """Both nodes."""
    waits = {PRIMARY: "accepts connections", REPLICA: "streams, synchronously"}
    checks = {PRIMARY: lambda: _answers(layout, plan), REPLICA: lambda: _streams(layout, plan)}
    return [
        Program(
            name=node,
            command=(str(binaries() / "postgres"), "-c", f"config_file={_directory(layout, node)}/node.conf"),
            waits_for=waits[node],
            ready=checks[node],
            ports={node: plan.ports[node]},
            user=user(),
            files=(_directory(layout, node),),
            stop_signal="INT",  # "fast": roll back what is open, do not wait for clients
        )
        for node in NODES
    ]


def configure(layout: Layout, plan: Plan) -> None:
    """Render both nodes' configuration, readable for the server's user only."""
    for node in NODES:
        directory = _directory(layout, node)
        jobs.owner(directory, user())
        jobs.owner(layout.data(node), user())
        jobs.owner(layout.postgres_socket(node), user())
        for name in ("postgresql.conf", "primary.conf", "replica.conf", "pg_hba.conf"):
            _write(directory / name, (CONFIGURATION / name).read_text())
        _write(directory / "pg_ident.conf", "")
        _write(directory / "pgpass", f"*:*:*:replicator:{passwords.password(layout, 'replicator')}\n")
        _write(directory / "node.conf", _node(layout, plan, node))


def initialise(layout: Layout) -> None:
    """Create the primary's files, once."""
    data = cluster(layout, PRIMARY)
    if (data / "PG_VERSION").exists():
        return
    shutil.rmtree(data, ignore_errors=True)
    # pg_hba.conf is ours: what initdb would write there is never read
    options = ["--data-checksums", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=reject"]
    jobs.run(layout, "initdb", [binaries() / "initdb", "-D", data, "-U", "postgres", *options], user=user())


def create_roles(layout: Layout, plan: Plan) -> None:
    """Databases, roles, rights and the replica's slot; again at every start, which changes nothing."""
    command = [*_psql(layout, plan), "-f", CONFIGURATION / "bootstrap.sql"]
    jobs.run(layout, "postgres-roles", command, env={"SECRETS": str(layout.secrets / "postgres")})


def copy(layout: Layout, plan: Plan) -> None:
    """Fill the replica from the primary, once."""
    data = cluster(layout, REPLICA)
    if (data / "standby.signal").exists():
        return
    shutil.rmtree(data, ignore_errors=True)
    options = ["-X", "stream", "--checkpoint=fast", "--slot=replica"]
    command: list[str | Path] = [binaries() / "pg_basebackup", "-d", _conninfo(layout, plan), "-D", data, *options]
    jobs.run(layout, "postgres-copy", command, user=user())
    _write(data / "standby.signal", "")


def cluster(layout: Layout, node: str) -> Path:
    """PGDATA: below the working directory, so that it can be thrown away as a whole."""
    return layout.data(node) / "cluster"


def hosts(plan: Plan) -> str:
    """Both nodes, as the services are told."""
    return ",".join(f"{HOST}:{plan.ports[node]}" for node in NODES)


def query(layout: Layout, plan: Plan, sql: str, *, database: str = "postgres", timeout_seconds: float = 60.0) -> str:
    """What psql answers, as superuser over the primary's socket. Raises `StackError` where it cannot."""
    command = [*_psql(layout, plan), "-d", database, "-Atc", sql]
    variables = jobs.environment(layout)
    try:
        done = subprocess.run(  # noqa: S603  the statement is an argument, never part of a shell's line
            command, env=variables, capture_output=True, text=True, check=True, timeout=timeout_seconds
        )
    except subprocess.CalledProcessError as error:
        raise StackError(f"{PRIMARY} refused: {error.stderr.strip()}") from None
    except subprocess.TimeoutExpired:
        raise StackError(f"{PRIMARY} did not answer within {timeout_seconds:.0f} s") from None
    return done.stdout.strip()


def _node(layout: Layout, plan: Plan, node: str) -> str:
    role = node.removeprefix("postgres-")
    directory = _directory(layout, node)
    lines = [
        "include 'postgresql.conf'",
        f"include '{role}.conf'",
        f"data_directory = '{cluster(layout, node)}'",
        f"hba_file = '{directory}/pg_hba.conf'",
        f"ident_file = '{directory}/pg_ident.conf'",
        f"listen_addresses = '{HOST}'",
        f"port = {plan.ports[node]}",
        f"unix_socket_directories = '{layout.postgres_socket(node)}'",
    ]
    if node == REPLICA:
        lines.append(f"primary_conninfo = '{_conninfo(layout, plan)}'")
    return "\n".join(lines) + "\n"


def _conninfo(layout: Layout, plan: Plan) -> str:
    return f"host={HOST} port={plan.ports[PRIMARY]} user=replicator passfile={_directory(layout, REPLICA)}/pgpass"


def _directory(layout: Layout, node: str) -> Path:
    return layout.config / node


def _psql(layout: Layout, plan: Plan) -> list[str | Path]:
    place = ["-h", str(layout.postgres_socket(PRIMARY)), "-p", str(plan.ports[PRIMARY])]
    return [binaries() / "psql", "-X", *place, "-U", "postgres", "-v", "ON_ERROR_STOP=1"]


def _answers(layout: Layout, plan: Plan) -> bool:
    return probes.listens(plan.ports[PRIMARY]) and _yes(layout, plan, "SELECT NOT pg_is_in_recovery()")


def _streams(layout: Layout, plan: Plan) -> bool:
    return _yes(
        layout, plan, "SELECT count(*) > 0 FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'"
    )


def _yes(layout: Layout, plan: Plan, sql: str) -> bool:
    try:
        return query(layout, plan, sql, timeout_seconds=probes.TIMEOUT_SECONDS) == "t"
    except StackError:
        return False


def _write(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text)
    if owner := user():
        shutil.chown(file, owner, owner)
