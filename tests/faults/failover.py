"""Losing the primary by hand, as one does without a tool for it: destroy it, promote the standby, make it a standby."""

import asyncio
import shutil
from pathlib import Path

import asyncpg

from native import Stack, jobs, postgres
from native.ports import HOST
from outside.waiting import eventually

PATIENCE_SECONDS = 60.0
STREAMS = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"


async def destroy_primary(stack: Stack) -> None:
    """kill -9, and its disk is gone, too."""
    await asyncio.to_thread(stack.kill, postgres.PRIMARY)
    await asyncio.to_thread(stack.stop, postgres.PRIMARY)
    await asyncio.to_thread(shutil.rmtree, postgres.cluster(stack.layout, postgres.PRIMARY))


async def promote_standby(stack: Stack) -> None:
    """It has to be awake. Returns when it takes writes."""
    standby = await _superuser(stack)
    await standby.execute("SELECT pg_promote()")
    await eventually(
        lambda: standby.fetchval("SELECT pg_is_in_recovery()"), lambda found: not found, seconds=PATIENCE_SECONDS
    )
    await standby.close()


async def rebuild(stack: Stack) -> None:
    """A new standby in the old primary's place. Returns when it streams."""
    layout, port = stack.layout, stack.ports[postgres.REPLICA]
    passwords = layout.config / postgres.REPLICA / "pgpass"
    connection = f"host={HOST} port={port} user=replicator passfile={passwords}"
    target = postgres.cluster(layout, postgres.PRIMARY)
    options = ["-R", "--checkpoint=fast"]
    command: list[str | Path] = [postgres.binaries() / "pg_basebackup", "-d", connection, "-D", target, *options]
    await asyncio.to_thread(jobs.run, layout, "rebuild", command, user=postgres.user())
    stack.supervisor.start(postgres.PRIMARY)
    primary = await _superuser(stack)
    await eventually(lambda: primary.fetchval(STREAMS), bool, seconds=PATIENCE_SECONDS)
    await primary.close()


async def _superuser(stack: Stack) -> "asyncpg.Connection[asyncpg.Record]":
    """On the node that was the standby."""
    socket = str(stack.layout.postgres_socket(postgres.REPLICA))
    return await asyncpg.connect(host=socket, port=stack.ports[postgres.REPLICA], user="postgres", database="postgres")
