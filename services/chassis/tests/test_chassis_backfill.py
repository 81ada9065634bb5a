"""Republishing from a time on: everything since then is sent, or nothing."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from chassis_kit import Sql, contract

from chassis.backfill import TooOldError, published_since
from chassis.db import Database
from chassis.operate import _time
from chassis.schema import OUTBOX_RETENTION_DAYS
from chassis.upkeep import Upkeep

MAKER = contract("alone")
PUBLISHED = """
    INSERT INTO outbox (id, shard, type, subject, sequence, data, correlation_id, created_at, published_at)
    VALUES (overlay(day_floor(CAST($1 AS date))::text placing $2 from 15)::uuid, 0, 'thing.noted.v1',
            gen_random_uuid(), 1, '{}', gen_random_uuid(), $1, $1)
"""


async def named(database: Database, since: datetime) -> datetime:
    """The time that the refusal of this one names."""
    with pytest.raises(TooOldError) as error:
        await published_since(database, MAKER, MAKER, since)
    [time] = re.findall(r"[-\d]+T[:\d]+Z", str(error.value))
    return _time(time)


async def test_a_time_that_the_outbox_no_longer_has_all_of_is_refused(database: Database) -> None:
    days = timedelta(OUTBOX_RETENTION_DAYS + 1)
    earliest = await named(database, datetime.now(UTC) - days)
    assert timedelta(OUTBOX_RETENTION_DAYS - 1) < datetime.now(UTC) - earliest <= days
    assert await named(database, earliest - timedelta(seconds=1)) == earliest


async def test_from_the_time_that_the_refusal_names_on_nothing_is_missing(database: Database, sql: Sql) -> None:
    earliest = await named(database, datetime(2020, 1, 1, tzinfo=UTC))
    for number in range(3):
        await sql.execute(PUBLISHED, earliest + timedelta(hours=12 * number), f"{number}")
    await sql.execute(PUBLISHED, earliest - timedelta(hours=1), "9")
    await Upkeep(database)._keep()
    assert len(await published_since(database, MAKER, MAKER, earliest)) == 3
    assert await sql.fetchval("SELECT count(*) FROM outbox") == 3
