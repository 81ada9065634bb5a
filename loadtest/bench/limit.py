"""The limit: the same saga's SQL alone, under pgbench, on the same primary with its synchronous replica.

It runs in a scratch database with copies of the services' own tables, so it cannot drift from what they use.
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files

from bench import cpu
from native import Stack, jobs, postgres

SCRATCH = "quicksand_bench"
CLIENTS = 16
SECONDS = 4


@dataclass(frozen=True)
class Limit:
    """What pgbench reached, and the CPU milliseconds a saga cost Postgres, both nodes together."""

    sagas_per_second: float
    postgres_ms: float


def measure(stack: Stack) -> Limit:
    """Run pgbench. Raises `StackError` with its last words if it fails."""
    with _scratch(stack), as_file(files("bench") / "sql" / "saga.sql") as saga:
        before = cpu.sample(stack)
        options = ["--no-vacuum", "-M", "prepared", "-c", str(CLIENTS), "-T", str(SECONDS)]
        said = _run(stack, "pgbench", *options, "-f", str(saga), SCRATCH)
        used = cpu.difference(before, cpu.sample(stack))
    sagas = _number(r"transactions actually processed: (\d+)", said)
    postgres_seconds = used["postgres"]
    return Limit(_number(r"tps = ([\d.]+)", said), 1000 * postgres_seconds / sagas)


@contextmanager
def _scratch(stack: Stack) -> Iterator[None]:
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


def _copy_tables(stack: Stack, database: str) -> None:
    tables = _run(stack, "pg_dump", "--schema-only", "--no-owner", "--no-privileges", database)
    _psql(stack, f"{tables}\nALTER SCHEMA public RENAME TO {database}; CREATE SCHEMA public;")


def _psql(stack: Stack, statements: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(statements)
        file.flush()
        _run(stack, "psql", "-q", "-f", file.name, SCRATCH)


def _run(stack: Stack, program: str, *arguments: str) -> str:
    """One of PostgreSQL's programs, as superuser over the primary's socket."""
    command = postgres.psql(stack.layout, stack.plan, program)
    return jobs.run(stack.layout, f"bench-{program}", [*command, *arguments])


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found is not None, f"pgbench does not say {pattern}"
    return float(found[1])
