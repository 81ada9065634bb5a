"""The limit: the same saga's SQL alone, under pgbench, on the same primary with its synchronous replica.

It runs in a scratch database with copies of the services' own tables, so it cannot drift from what they use.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files

from bench import cpu
from compose.postgres import execute
from native import Stack, jobs, postgres
from runtime import Running

SCRATCH = "quicksand_bench"
CLIENTS = 16
SECONDS = 4


@dataclass(frozen=True)
class Limit:
    """What pgbench reached, and the CPU milliseconds a saga cost Postgres, both nodes together."""

    sagas_per_second: float
    postgres_ms: float


def measure(stack: Running) -> Limit:
    """Run pgbench. Raises `StackError` with its last words if it fails."""
    saga = (files("bench") / "sql" / "saga.sql").read_text()
    with _scratch(stack):
        before = cpu.sample(stack)
        options = ["--no-vacuum", "-M", "prepared", "-c", str(CLIENTS), "-T", str(SECONDS)]
        said = _run(stack, "pgbench", *options, "-f", "-", SCRATCH, stdin=saga)
        used = cpu.difference(before, cpu.sample(stack))
    sagas = _number(r"transactions actually processed: (\d+)", said)
    postgres_seconds = used["postgres"]
    return Limit(_number(r"tps = ([\d.]+)", said), 1000 * postgres_seconds / sagas)


@contextmanager
def _scratch(stack: Running) -> Iterator[None]:
    """A database with the three services' tables, a schema each; dropped at the end."""
    stack.sql(f"DROP DATABASE IF EXISTS {SCRATCH} WITH (FORCE)")
    stack.sql(f"CREATE DATABASE {SCRATCH}")
    try:
        for service in ("orders", "payments", "notifications"):
            _copy_tables(stack, service)
        _psql(stack, (files("bench") / "sql" / "prepare.sql").read_text())
        yield
    finally:
        stack.sql(f"DROP DATABASE {SCRATCH} WITH (FORCE)")


def _copy_tables(stack: Running, database: str) -> None:
    tables = _run(stack, "pg_dump", "--schema-only", "--no-owner", "--no-privileges", database)
    _psql(stack, f"{tables}\nALTER SCHEMA public RENAME TO {database}; CREATE SCHEMA public;")


def _psql(stack: Running, statements: str) -> None:
    _run(stack, "psql", "-q", "-X", "-v", "ON_ERROR_STOP=1", "-f", "-", SCRATCH, stdin=statements)


def _run(stack: Running, program: str, *arguments: str, stdin: str = "") -> str:
    """One of PostgreSQL's programs, as superuser over the primary's socket."""
    if not isinstance(stack, Stack):
        return execute(stack.components, stack.primary, [program, *arguments], stdin=stdin)
    command = postgres.psql(stack.layout, stack.plan, program)
    return jobs.run(stack.layout, f"bench-{program}", [*command, *arguments], stdin=stdin)


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found is not None, f"pgbench does not say {pattern}"
    return float(found[1])
