"""Postgres as a plain pair: a primary and a synchronous streaming replica that stay what they are. Up in two seconds.

For tests and drills that want to fail over by hand, or not at all.
"""

import shutil
from pathlib import Path

from native import jobs, passwords, probes
from native.layout import Layout
from native.plan import Plan
from native.ports import HOST
from native.postgres import (
    CONFIGURATION,
    PRIMARY,
    REPLICA,
    binaries,
    cluster,
    directory,
    own,
    query,
    says_yes,
    streams,
    user,
    write,
)
from native.program import Program

FILES = ("postgresql.conf", "primary.conf", "replica.conf", "pg_hba.conf")


def programs(layout: Layout, plan: Plan) -> list[Program]:
    """Both nodes."""
    waits = {PRIMARY: "accepts connections", REPLICA: "streams, synchronously"}
    checks = {PRIMARY: lambda: _answers(layout, plan), REPLICA: lambda: streams(layout, plan)}
    return [
        Program(
            name=node,
            command=(str(binaries() / "postgres"), "-c", f"config_file={directory(layout, node)}/node.conf"),
            waits_for=waits[node],
            ready=checks[node],
            ports={node: plan.ports[node]},
            user=user(),
            files=(directory(layout, node),),
            stop_signal="INT",  # "fast": roll back what is open, do not wait for clients
        )
        for node in (PRIMARY, REPLICA)
    ]


def configure(layout: Layout, plan: Plan) -> None:
    """Render both nodes' configuration, readable for the server's user only."""
    for node in (PRIMARY, REPLICA):
        own(layout, node)
        place = directory(layout, node)
        for name in FILES:
            write(place / name, (CONFIGURATION / name).read_text())
        write(place / "pg_ident.conf", "")
        write(place / "pgpass", f"*:*:*:replicator:{passwords.password(layout, 'replicator')}\n")
        write(place / "node.conf", _node(layout, plan, node))


def initialise(layout: Layout) -> None:
    """Create the primary's files, once."""
    data = cluster(layout, PRIMARY)
    if (data / "PG_VERSION").exists():
        return
    shutil.rmtree(data, ignore_errors=True)
    # pg_hba.conf is ours: what initdb would write there is never read
    options = ["--data-checksums", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=reject"]
    jobs.run(layout, "initdb", [binaries() / "initdb", "-D", data, "-U", "postgres", *options], user=user())


def copy(layout: Layout, plan: Plan) -> None:
    """Fill the replica from the primary, once."""
    data = cluster(layout, REPLICA)
    if (data / "standby.signal").exists():
        return
    query(layout, plan, SLOT)
    shutil.rmtree(data, ignore_errors=True)
    options = ["-X", "stream", "--checkpoint=fast", "--slot=replica"]
    command: list[str | Path] = [binaries() / "pg_basebackup", "-d", _conninfo(layout, plan), "-D", data, *options]
    jobs.run(layout, "postgres-copy", command, user=user())
    write(data / "standby.signal", "")


# From now on the primary keeps what the replica has not read.
SLOT = """
    SELECT pg_create_physical_replication_slot('replica', true)
    WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = 'replica')
"""


def _node(layout: Layout, plan: Plan, node: str) -> str:
    role = node.removeprefix("postgres-")
    place = directory(layout, node)
    lines = [
        "include 'postgresql.conf'",
        f"include '{role}.conf'",
        f"data_directory = '{cluster(layout, node)}'",
        f"hba_file = '{place}/pg_hba.conf'",
        f"ident_file = '{place}/pg_ident.conf'",
        f"listen_addresses = '{HOST}'",
        f"port = {plan.ports[node]}",
        f"unix_socket_directories = '{layout.postgres_socket(node)}'",
    ]
    if node == REPLICA:
        lines.append(f"primary_conninfo = '{_conninfo(layout, plan)}'")
    return "\n".join(lines) + "\n"


def _conninfo(layout: Layout, plan: Plan) -> str:
    return f"host={HOST} port={plan.ports[PRIMARY]} user=replicator passfile={directory(layout, REPLICA)}/pgpass"


def _answers(layout: Layout, plan: Plan) -> bool:
    return probes.listens(plan.ports[PRIMARY]) and says_yes(layout, plan, "SELECT NOT pg_is_in_recovery()")
