"""PostgreSQL: two nodes of the distribution's newest version, under Patroni (patroni.py) or as a plain pair (pair.py).

Started by root they run as `postgres`, because the server refuses root; otherwise as whoever started the stack.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from native import jobs, probes
from native.errors import StackError
from native.layout import INFRA, Layout
from native.plan import Plan
from native.ports import HOST

PRIMARY, REPLICA = "postgres-primary", "postgres-replica"  # the plain pair
NODES = ("postgres-1", "postgres-2")  # under Patroni, where either may lead
STREAMS = "SELECT count(*) > 0 FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'"
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


def nodes(plan: Plan) -> tuple[str, str]:
    """The names of the two."""
    return NODES if plan.patroni else (PRIMARY, REPLICA)


def primary_first(plan: Plan) -> tuple[str, str]:
    """Both nodes, the one that leads now first; as they are named where none does."""
    first, second = nodes(plan)
    return (second, first) if plan.patroni and _leads(plan, second) else (first, second)


def primary(plan: Plan) -> str:
    """The node that leads now. Raises `StackError` where none does."""
    first, _ = primary_first(plan)
    if plan.patroni and not _leads(plan, first):
        raise StackError("no Postgres node leads now: see make status; after a loss it takes up to 20 s")
    return first


def hosts(plan: Plan) -> str:
    """Both nodes, as the services are told: they find out by themselves which is which."""
    return ",".join(f"{HOST}:{plan.ports[node]}" for node in nodes(plan))


def cluster(layout: Layout, node: str) -> Path:
    """PGDATA: below the working directory, so that it can be thrown away as a whole."""
    return layout.data(node) / "cluster"


def directory(layout: Layout, node: str) -> Path:
    """The node's rendered configuration."""
    return layout.config / node


def create_roles(layout: Layout, plan: Plan) -> None:
    """Databases, roles and rights; again at every start, which changes nothing."""
    command = [*psql(layout, plan), "-f", CONFIGURATION / "bootstrap.sql"]
    jobs.run(layout, "postgres-roles", command, env={"SECRETS": str(layout.secrets / "postgres")})


def query(layout: Layout, plan: Plan, sql: str, *, database: str = "postgres", timeout_seconds: float = 60.0) -> str:
    """What psql answers, as superuser over the primary's socket. Raises `StackError` where it cannot."""
    command = [*psql(layout, plan), "-d", database, "-Atc", sql]
    variables = jobs.environment(layout)
    try:
        done = subprocess.run(  # noqa: S603  the statement is an argument, never part of a shell's line
            command, env=variables, capture_output=True, text=True, check=True, timeout=timeout_seconds
        )
    except subprocess.CalledProcessError as error:
        raise StackError(f"the Postgres primary refused: {error.stderr.strip()}") from None
    except subprocess.TimeoutExpired:
        raise StackError(f"the Postgres primary did not answer within {timeout_seconds:.0f} s") from None
    return done.stdout.strip()


def says_yes(layout: Layout, plan: Plan, sql: str) -> bool:
    """Whether the primary answers "t", at once."""
    try:
        return query(layout, plan, sql, timeout_seconds=probes.TIMEOUT_SECONDS) == "t"
    except StackError:
        return False


def streams(layout: Layout, plan: Plan) -> bool:
    """Whether one node is the primary and the other its synchronous standby."""
    return says_yes(layout, plan, STREAMS)


def psql(layout: Layout, plan: Plan, program: str = "psql") -> list[str | Path]:
    """psql, or another program, as superuser over the primary's socket."""
    node = primary(plan)
    place = ["-h", str(layout.postgres_socket(node)), "-p", str(plan.ports[node]), "-U", "postgres"]
    return [binaries() / program, *place, *(["-X", "-v", "ON_ERROR_STOP=1"] if program == "psql" else [])]


def own(layout: Layout, node: str) -> None:
    """Make the node's directories, for the server's user only."""
    for place in (directory(layout, node), layout.data(node), layout.postgres_socket(node)):
        jobs.owner(place, user())


def write(file: Path, text: str, mode: int = 0o600) -> None:
    """A file for the server's user only."""
    file.touch(mode=mode)
    file.write_text(text)
    if owner := user():
        shutil.chown(file, owner, owner)


def _leads(plan: Plan, node: str) -> bool:
    return probes.http_ok(plan.ports[f"{node}-api"], "/primary")
