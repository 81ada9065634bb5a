"""The two Postgres nodes, from inside their containers, where the superuser has a socket and no password."""

from compose import docker
from compose.containers import Container
from native.errors import StackError

NODES = ("postgres-1", "postgres-2")
PYTHON = "/opt/patroni/bin/python"
SWITCH_SECONDS = 120.0


def primary(components: dict[str, Container]) -> str:
    """The node that leads. Raises `StackError` where none does."""
    for node in NODES:
        try:
            if psql(components, node, "SELECT NOT pg_is_in_recovery()") == "t":
                return node
        except StackError:
            continue
    raise StackError("no Postgres node leads: see make status, and make logs C=postgres-1")


def psql(components: dict[str, Container], node: str, statement: str, database: str = "postgres") -> str:
    """What psql answers there, unaligned."""
    return execute(components, node, ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", database, "-Atc", statement]).strip()


def execute(components: dict[str, Container], node: str, command: list[str], stdin: str | None = None) -> str:
    """Run one of PostgreSQL's programs there as the superuser."""
    if node not in components or components[node].state != "running":
        raise StackError(f"{node} does not run: start it with: make restart C={node}")
    inside = ["exec", "--interactive", "--env", "PGUSER=postgres", "--env", "PGHOST=/run/postgresql"]
    return docker.run(*inside, components[node].id, *command, stdin=stdin)


def switch_over(components: dict[str, Container]) -> str:
    """Let the synchronous standby lead; what happened, in lines."""
    nodes = [word for node in NODES for word in ("--node", f"http://{node}:8008")]
    command = [PYTHON, "-m", "failover", *nodes, "--password-file", "/run/secrets/patroni"]
    for node in NODES:
        if node in components and components[node].state == "running":
            return docker.run("exec", components[node].id, *command, timeout_seconds=SWITCH_SECONDS)
    raise StackError("no Postgres node runs: start the stack with: make up")
