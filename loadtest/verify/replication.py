"""Invariant 8: primary and replica agree: the same tables, row counts and checksums."""

import asyncio
import time
from dataclasses import dataclass

from verify.database import Connection, Databases, snapshot
from verify.report import Result

REPLAY_SECONDS = 10.0
POLL_SECONDS = 0.02
TRIES = 3  # something that is no order's, such as hourly upkeep, may be written between the two snapshots

TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = CAST('public' AS regnamespace) AND relkind IN ('r', 'p') AND NOT relispartition
      AND relname <> 'heartbeat'  -- changes every second, also at rest
    ORDER BY relname
"""
POSITION = "SELECT pg_current_wal_lsn() - CAST('0/0' AS pg_lsn)"
REPLAYED = "SELECT pg_last_wal_replay_lsn() - CAST('0/0' AS pg_lsn)"


@dataclass(frozen=True)
class Sum:
    """A table's rows, and a sum of their hashes, in which their order plays no part."""

    rows: int
    checksum: int


Sums = dict[str, Sum]  # by table


async def check_replica(databases: Databases) -> Result:
    """8. Primary and replica agree."""
    result = Result(8, "replica")
    answers = await asyncio.gather(
        *(_compare(primary, databases.replica[service]) for service, primary in databases.primary.items())
    )
    rows = tables = behind = 0
    for service, (ours, theirs) in zip(databases.primary, answers, strict=True):
        tables += len(ours)
        rows += sum(table.rows for table in ours.values())
        if theirs is None:
            behind += 1
            result.blame(f"the replica has not replayed what was written {REPLAY_SECONDS:g} s ago", [f"{service}s"])
        else:
            result.blame("primary and replica differ", differences(f"{service}s", ours, theirs))
    result.counts = {"tables": tables, "rows compared": rows, "behind": behind}
    return result


def differences(database: str, ours: Sums, theirs: Sums) -> list[str]:
    """The tables that are not the same, and how."""
    found = []
    for name in sorted(ours.keys() | theirs.keys()):
        left, right = ours.get(name), theirs.get(name)
        if left is None or right is None:
            found.append(f"{database}.{name} is only on the {'replica' if left is None else 'primary'}")
        elif left.rows != right.rows:
            found.append(f"{database}.{name}: {left.rows} rows on the primary, {right.rows} on the replica")
        elif left != right:
            found.append(f"{database}.{name}: {left.rows} rows each, but with other contents")
    return found


async def _compare(primary: Connection, replica: Connection) -> tuple[Sums, Sums | None]:
    """Both nodes' sums; a difference counts only if it is there every time."""
    for _ in range(TRIES):
        position = await primary.fetchval(POSITION)
        caught_up = await _caught_up(replica, position)
        ours, theirs = await asyncio.gather(_sums(primary), _sums(replica))
        if not caught_up:
            return ours, None
        if ours == theirs:
            break
    return ours, theirs


async def _caught_up(replica: Connection, position: int) -> bool:
    deadline = time.monotonic() + REPLAY_SECONDS
    while await replica.fetchval(REPLAYED) < position:
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True


async def _sums(connection: Connection) -> Sums:
    async with snapshot(connection):
        names = [row[0] for row in await connection.fetch(TABLES)]
        rows = await connection.fetch(" UNION ALL ".join(map(_query, names)))
    return {row["name"]: Sum(row["rows"], row["checksum"]) for row in rows}


def _query(table: str) -> str:
    checksum = "CAST(coalesce(sum(hash_record_extended(row, 0)), 0) AS numeric)"
    return f"SELECT '{table}' AS name, count(*) AS rows, {checksum} AS checksum FROM \"{table}\" AS row"  # noqa: S608  a name from the catalogue
