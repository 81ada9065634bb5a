"""Consistency tokens: how a customer who has just written something reads it, from a replica that lags behind.

A command answers with `X-Consistency-Token`: where the write-ahead log was after its COMMIT. A query that carries it is
served by a node, or a cache entry, that has come that far. Positions are plain byte counts (a `pg_lsn` minus 0/0).

A token names its database cluster. One that cannot be read, or comes from another cluster, means "from the primary,
please": never an error, never stale.
"""

import re
from typing import Any

HEADER = "X-Consistency-Token"
ANYTHING = 0  # the position that everybody has reached
PRIMARY_ONLY = 2**64  # the position that only the primary can be trusted to have reached
UNKNOWN = "primary"  # the token of a command whose position could not be learned: nobody takes it for one

TOKEN = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{1,16})")

CLUSTER = "SELECT system_identifier FROM pg_control_system()"
# Not the insert position, which an idle server may never write out.
WRITTEN = "SELECT (pg_current_wal_lsn() - '0/0')::bigint"
REPLAYED = """
    SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END - '0/0')::bigint
"""


def token_of(cluster: int | None, position: int | None) -> str:
    """The token of a position."""
    return UNKNOWN if cluster is None or position is None else f"{cluster:x}-{position:x}"


def needed(token: str | None, cluster: int | None) -> int:
    """The position that a query with this token must see; `PRIMARY_ONLY` for what is not a token of this cluster."""
    if token is None:
        return ANYTHING
    match = TOKEN.fullmatch(token)
    if match is None or int(match[1], 16) != cluster:
        return PRIMARY_ONLY
    return int(match[2], 16)


async def written(driver: Any) -> int:
    """How far the primary's log is written now. Called after a COMMIT on its connection: at least as far as that."""
    position: int = await driver.fetchval(WRITTEN)
    return position


async def replayed(driver: Any) -> int:
    """How far the node has come; outside a transaction, whose snapshot would be older than the answer."""
    position: int = await driver.fetchval(REPLAYED)
    return position
