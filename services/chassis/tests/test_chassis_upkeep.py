"""Upkeep: gauges that tell what the database holds, days made ahead, and nothing kept for longer than promised."""

from datetime import date, timedelta

import pytest
from chassis_calls import ask
from chassis_kit import Sql, eventually, make
from chassis_listening import Listening, said
from chassis_wire import Wire
from prometheus_client import REGISTRY
from sqlalchemy.exc import DBAPIError

from chassis import upkeep
from chassis.connect import NoNodeError
from chassis.db import Database
from chassis.events import uuid7
from chassis.upkeep import DAYS_AHEAD, Upkeep

GAUGES = (
    "outbox_pending_events",
    "outbox_blocked_orders",
    "parked_messages",
    "quarantined_orders",
)


def shown() -> dict[str, float]:
    return {name: REGISTRY.get_sample_value(name) or 0 for name in GAUGES}


async def test_the_gauges_show_what_the_database_holds(database: Database, sql: Sql) -> None:
    upkeep = Upkeep(database, ["ring"])
    await upkeep._sample()
    assert REGISTRY.get_sample_value("effects_pending", {"kind": "ring"}) == 0
    assert shown() == dict.fromkeys(GAUGES, 0)
    assert REGISTRY.get_sample_value("outbox_oldest_age_seconds") == 0
    async with database.transaction("http") as session:
        make(session, "a", "b")
    await Listening("alone").consumer.process(database, said("park"))
    await sql.execute("UPDATE outbox SET created_at = now() - interval '1 minute'")
    await upkeep._sample()
    assert shown() == {
        **dict.fromkeys(GAUGES, 0),
        "outbox_pending_events": 2,
        "parked_messages": 1,
        "quarantined_orders": 1,
    }
    assert REGISTRY.get_sample_value("outbox_oldest_age_seconds") == pytest.approx(60, abs=5)


async def test_only_a_database_that_stays_away_makes_a_service_unready(
    wired: Database, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    upkeep = Upkeep(wired)
    seen = [upkeep.reachable]
    await upkeep._sample()
    wire.down()
    with pytest.raises((NoNodeError, DBAPIError)):
        await upkeep._sample()
    seen.append(upkeep.reachable)
    with monkeypatch.context() as later:
        later.setattr("chassis.upkeep.AWAY_SECONDS", 0)
        seen.append(upkeep.reachable)
    async with wire:
        await upkeep._sample()
        seen.append(upkeep.reachable)
        await wired.close()
    assert seen == [False, True, False, True]


async def test_days_are_made_ahead(database: Database, sql: Sql) -> None:
    last = date.today() + timedelta(DAYS_AHEAD - 1)  # noqa: DTZ011  the server's day: it is on this machine
    await sql.execute(f"DROP TABLE outbox_{last:%Y%m%d}, inbox_{last:%Y%m%d}")
    await Upkeep(database)._keep()
    for table in ("outbox", "inbox"):
        assert await sql.fetchval("SELECT to_regclass($1)::text", f"{table}_{last:%Y%m%d}")


ROWS = {
    "idempotency": (
        7,
        "(customer, route, key, command_id, request_hash, created_at)",
        "'c', 'r', CAST($1 AS uuid)::text, $1, ''",
    ),
    "suspects": (1, "(id, tried_at)", "$1"),
    "effects": (
        30,
        "(id, kind, subject, aggregate_id, payload, partition, correlation_id, done_at)",
        "$1, 'kind', $1, $1, '{}', 0, $1",
    ),
}


@pytest.mark.parametrize("table", ROWS)
async def test_what_is_old_enough_is_forgotten_and_not_earlier(database: Database, sql: Sql, table: str) -> None:
    days, columns, values = ROWS[table]
    ages = {hours: uuid7() for hours in (24 * days - 1, 24 * days + 1)}
    for hours, id_ in ages.items():
        statement = f"INSERT INTO {table} {columns} VALUES ({values}, now() - make_interval(hours => $2))"  # noqa: S608
        await sql.execute(statement, id_, hours)
    await Upkeep(database)._keep()
    key = "command_id" if table == "idempotency" else "id"
    left = [row["id"] for row in await sql.fetch(f"SELECT {key} AS id FROM {table}")]  # noqa: S608
    assert left == [ages[24 * days - 1]]


async def test_an_effect_that_is_not_done_is_never_forgotten(database: Database, sql: Sql) -> None:
    await ask(database)
    await sql.execute("UPDATE effects SET created_at = now() - interval '1 year', due_at = now() - interval '1 year'")
    await Upkeep(database)._keep()
    assert await sql.fetchval("SELECT count(*) FROM effects") == 1


async def test_an_effect_that_is_parked_is_kept_for_its_replay(database: Database, sql: Sql) -> None:
    await ask(database, count=2)
    await sql.execute("UPDATE effects SET done_at = now() - interval '1 year', outcome = 'parked'")
    waiting = await sql.fetchval("SELECT id FROM effects LIMIT 1")
    await sql.execute(
        "INSERT INTO parked (id, source, type, body, reason) VALUES ($1, 'effect', 'call', '', 'refused')", waiting
    )
    await Upkeep(database)._keep()
    assert [row["id"] for row in await sql.fetch("SELECT id FROM effects")] == [waiting]


async def test_a_session_that_froze_in_the_middle_of_a_statement_is_ended(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "FROZEN_SECONDS", 0.5)
    async with database.engines["primary"].connect() as connection:
        frozen = (await connection.get_raw_connection()).driver_connection
        assert frozen is not None
        await frozen.execute("BEGIN")
        await frozen.prepare("SELECT 1")  # parsed, and never run

        async def ended() -> bool:
            await Upkeep(database)._sample()
            return bool(frozen.is_closed())

        await eventually(ended)
        await connection.invalidate()
