"""What the system used, looked at before and after a run: CPU, memory and disk by component, the databases' books."""

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import asyncpg

from bench import cpu
from bench.watch import DATABASES
from native import Stack
from native.processes import tree
from runtime import Running

WAL = "SELECT (pg_current_wal_lsn() - '0/0')::float8"
FLUSHES = "SELECT wal_sync::float8 FROM pg_stat_wal"  # PostgreSQL 18 counts them elsewhere
SIZES = "SELECT sum(pg_database_size(datname))::float8 FROM pg_database WHERE datname = ANY($1)"
CONNECTIONS = "SELECT count(*)::float8 FROM pg_stat_activity WHERE datname = ANY($1)"
COMMITS = "SELECT sum(xact_commit)::float8 FROM pg_stat_database WHERE datname = ANY($1)"
EVENTS = "SELECT count(*)::float8, coalesce(sum(length(data::text)), 0)::float8 FROM outbox WHERE created_at >= $1"


class Sample(NamedTuple):
    """One look. CPU in seconds; bytes; counters since the server's start; `connections` now."""

    at: float
    cpu: dict[str, float]
    memory: dict[str, float]
    written: dict[str, float]
    wal_bytes: float
    flushes: float | None
    database_bytes: float
    commits: float
    connections: float


class System:
    """Looks at a stack, as `verifier`."""

    def __init__(self, stack: Running) -> None:
        self._stack = stack
        self._databases: dict[str, asyncpg.Connection[Any]] = {}

    async def __aenter__(self) -> Self:
        """Connect."""
        for database in DATABASES:
            self._databases[database] = await asyncpg.connect(self._stack.dsn("verifier", database))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        for connection in self._databases.values():
            await connection.close()

    @property
    def orders(self) -> "asyncpg.Connection[Any]":
        """The orders database."""
        return self._databases["orders"]

    async def sample(self) -> Sample:
        """Look."""
        ask = self.orders.fetchval
        memory, written = await asyncio.to_thread(_processes, self._stack)
        return Sample(
            at=time.time(),
            cpu=dict(await asyncio.to_thread(cpu.sample, self._stack)),
            memory=memory,
            written=written,
            wal_bytes=await ask(WAL),
            flushes=await self._flushes(),
            database_bytes=await ask(SIZES, DATABASES),
            commits=await ask(COMMITS, DATABASES),
            connections=await ask(CONNECTIONS, DATABASES),
        )

    async def events(self, since: Any) -> tuple[float, float]:
        """Events published since then, and the bytes of their contents."""
        found = [await connection.fetchrow(EVENTS, since) for connection in self._databases.values()]
        return sum(row[0] for row in found if row), sum(row[1] for row in found if row)

    async def _flushes(self) -> float | None:
        try:
            flushes: float = await self.orders.fetchval(FLUSHES)
        except asyncpg.UndefinedColumnError:
            return None
        return flushes


def _processes(stack: Running) -> tuple[dict[str, float], dict[str, float]]:
    """Bytes of memory, and bytes written to disk so far, by component; only of processes that can be seen."""
    memory: defaultdict[str, float] = defaultdict(float)
    written: defaultdict[str, float] = defaultdict(float)
    if isinstance(stack, Stack):
        for name, process in stack.supervisor.processes().items():
            component = re.sub(r"-(\d+|primary|replica)$", "", name)
            for pid in tree(process["pid"]) if process["pid"] else []:
                memory[component] += _field(pid, "smaps_rollup", "Pss:") * 1024
                written[component] += _field(pid, "io", "write_bytes:")
    return dict(memory), dict(written)


def _field(pid: int, file: str, name: str) -> float:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:  # it has ended, or is not ours to look at
        return 0.0
    return next((float(line.split()[1]) for line in lines if line.startswith(name)), 0.0)


def used(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """What was used between two samples; what has restarted meanwhile counts from its start."""
    return {name: max(0.0, value - before.get(name, 0.0)) for name, value in after.items()}
