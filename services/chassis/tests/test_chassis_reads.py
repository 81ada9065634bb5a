"""Reading one's own writes: a query that carries a command's token sees it, whichever node answers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from chassis_kit import Node, SettingsOf, Sql, Thing, eventually, make
from chassis_shop import Shop, open_shop
from chassis_wire import wire_to_postgres
from prometheus_client import REGISTRY
from sqlalchemy import text

import chassis.consistency
import chassis.reads
from bearer import Tokens
from chassis.consistency import ANYTHING, HEADER, PRIMARY_ONLY, needed, token_of
from chassis.db import Database, Session
from chassis.events import uuid7
from chassis.reads import Reading, Reads
from chassis.replica import Replica

PAIRS = 1000
CONCURRENCY = 8
FLUSHED = text("SELECT set_config('synchronous_commit', 'on', true)")  # as in every service's database


@pytest.fixture
def reads(pair: Database, monkeypatch: pytest.MonkeyPatch) -> Reads:
    """Patient, because nobody finds out here that a replica which was slow once is well."""
    monkeypatch.setattr(chassis.reads, "REPLICA_SECONDS", 60)
    return Reads(pair)


@pytest.fixture(autouse=True)
async def starts_level(replica: Sql, sql: Sql) -> None:
    """The replica has replayed what the tests before have written."""
    position = await sql.fetchval("SELECT pg_current_wal_insert_lsn()")
    await replica.execute("SELECT pg_wal_replay_resume()")

    async def level() -> bool:
        return bool(await replica.fetchval("SELECT pg_last_wal_replay_lsn() >= $1", position))

    await eventually(level)


async def write(database: Database, thing: Thing | None = None, label: str = "") -> tuple[Thing, str]:
    """A new thing, or a new label for one, and the command's token."""
    async with database.transaction("http") as session:
        await session.execute(FLUSHED)
        if thing is None:
            thing = make(session)
        else:
            await session.execute(
                text("UPDATE things SET label = :label WHERE id = :id"), {"id": thing.id, "label": label}
            )
    return thing, database.token(session)


async def label_of(reads: Reads, thing: Thing, need: int) -> tuple[str | None, str | None]:
    """The thing's label, and who told it."""

    async def query(reading: Reading) -> tuple[str | None, str | None]:
        async with reading.session() as session:
            label = await session.scalar(text("SELECT label FROM things WHERE id = :id"), {"id": thing.id})
        return label, reading.served_by

    return await reads.run(need, query)


def counted(role: str, reason: str) -> float:
    labels = {"role": role, "intent": "replica", "reason": reason}
    return REGISTRY.get_sample_value("database_queries_total", labels) or 0


async def test_a_thousand_writers_read_what_they_wrote_while_the_replica_stands_still(
    pair: Database, reads: Reads, replica: Sql
) -> None:
    things = [(await write(pair))[0] for _ in range(CONCURRENCY)]
    await replica.execute("SELECT pg_wal_replay_pause()")
    stale = {"with": 0, "without": 0}
    before = counted("primary", "behind")

    async def customer(thing: Thing) -> None:
        for number in range(PAIRS // CONCURRENCY):
            _, token = await write(pair, thing, f"{number}")
            for carrying, need in (("with", needed(token, pair.cluster)), ("without", ANYTHING)):
                label, _ = await label_of(reads, thing, need)
                stale[carrying] += label != f"{number}"

    await asyncio.gather(*map(customer, things))
    assert stale == {"with": 0, "without": PAIRS}
    assert counted("primary", "behind") - before == PAIRS


async def test_a_replica_that_has_come_far_enough_answers(pair: Database, reads: Reads) -> None:
    thing, token = await write(pair)

    async def by_replica() -> bool:
        return (await label_of(reads, thing, needed(token, pair.cluster)))[1] == "replica"

    await eventually(by_replica)


async def test_a_replica_that_comes_far_enough_within_ten_milliseconds_is_waited_for(
    pair: Database, reads: Reads, replica: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis.reads, "WAIT_SECONDS", 5)
    await replica.execute("SELECT pg_wal_replay_pause()")
    thing, token = await write(pair)
    reading = asyncio.create_task(label_of(reads, thing, needed(token, pair.cluster)))
    await asyncio.wait([reading], timeout=0.05)
    assert not reading.done()
    await replica.execute("SELECT pg_wal_replay_resume()")
    assert await reading == ("", "replica")


@pytest.mark.parametrize("token", ["", "primary", "0/44601E0", "1-2-3", "1", "-1", "ü", "x" * 5000, "1-" + "f" * 17])
def test_a_token_that_cannot_be_read_asks_for_the_primary(token: str) -> None:
    assert needed(token, 1) == PRIMARY_ONLY


def test_a_token_of_another_cluster_asks_for_the_primary() -> None:
    assert needed(token_of(1, 77), 1) == 77
    assert needed(token_of(2, 77), 1) == PRIMARY_ONLY
    assert needed(token_of(1, 77), None) == PRIMARY_ONLY


def test_no_token_asks_for_nothing() -> None:
    assert needed(None, 1) == ANYTHING


async def test_a_query_that_the_replica_fails_is_made_again_on_the_primary(pair: Database, reads: Reads) -> None:
    thing, _ = await write(pair)
    nodes = []

    async def query(reading: Reading) -> str:
        async with reading.session() as session:
            nodes.append(await session.scalar(text("SELECT pg_is_in_recovery()")))
            if len(nodes) == 1:
                await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
            label: str = await session.scalar(text("SELECT label FROM things WHERE id = :id"), {"id": thing.id})
            return label

    assert await reads.run(ANYTHING, query) == ""
    assert nodes == [True, False]


async def test_a_query_that_hangs_on_the_replica_is_made_again_on_the_primary(
    settings: SettingsOf, sql: Sql, tmp_path: Path, node: Callable[[str], Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis.reads, "REPLICA_SECONDS", 0.2)
    async with wire_to_postgres(tmp_path, Path(node("replica")[0]), node("replica")[1]) as to_replica:
        hosts = ",".join(f"{host}:{port}" for host, port in ((str(tmp_path), node("replica")[1]), node("primary")))
        database = Database(settings(database_hosts=hosts))
        reads = Reads(database)
        thing, _ = await write(database)
        assert (await label_of(reads, thing, ANYTHING))[1] == "replica"
        to_replica.stop()
        assert await label_of(reads, thing, ANYTHING) == ("", "primary")
        assert str(reads.replica.fault) == "failed"
        to_replica.down()
        await database.close()


async def test_the_heartbeat_tells_a_replica_that_stands_still_from_a_primary_at_rest(
    pair: Database, replica: Sql, sql: Sql
) -> None:
    watch = Replica(pair)
    old = "UPDATE heartbeat SET at = clock_timestamp() - interval '1 minute'"
    await sql.execute(old)
    await eventually(lambda: _shows_same(replica, sql))
    await watch._watch()
    assert str(watch.fault) == "None", "nobody wrote for a minute, and the replica has it all"
    await replica.execute("SELECT pg_wal_replay_pause()")
    await watch._watch()
    await watch._watch()
    assert watch.fault == "lagging"
    await replica.execute("SELECT pg_wal_replay_resume()")

    async def well() -> bool:
        await watch._watch()
        return watch.fault is None

    await eventually(well)


async def _shows_same(replica: Sql, primary: Sql) -> bool:
    shown = "SELECT at FROM heartbeat"
    return bool(await replica.fetchval(shown) == await primary.fetchval(shown))


async def test_a_suspected_replica_is_read_again_once_it_answers(pair: Database) -> None:
    watch = Replica(pair)
    watch.suspect()
    assert watch.fault == "failed"
    await watch._watch()
    assert watch.fault is None


async def test_a_node_alone_is_read_as_the_primary(database: Database) -> None:
    reads = Reads(database)
    await reads.replica._watch()
    assert reads.replica.fault == "away"
    thing, _ = await write(database)
    assert await label_of(reads, thing, ANYTHING) == ("", "primary")


@pytest.fixture
async def shop(settings: SettingsOf, pair: Database, tokens: Tokens) -> AsyncIterator[Shop]:
    async with open_shop(settings(), pair, tokens) as shop:
        shop.plan(pair, _flush)
        yield shop


async def _flush(session: Session) -> None:
    await session.execute(FLUSHED)


async def test_over_http_a_token_leads_past_a_replica_that_stands_still(shop: Shop, replica: Sql) -> None:
    await replica.execute("SELECT pg_wal_replay_pause()")
    made = await shop.make()
    path = f"/things/{made.body['id']}"
    assert (await shop.ask("GET", path)).status == 404
    with_token = await shop.ask("GET", path, headers={HEADER: made.headers[HEADER.lower()]})
    assert (with_token.status, with_token.headers["x-served-by"]) == (200, "primary")
    foreign = await shop.ask("GET", path, headers={HEADER: "made-up"})
    assert (foreign.status, foreign.headers["x-served-by"]) == (200, "primary")


async def test_over_http_a_replica_that_ends_the_session_that_waits_for_it_costs_no_error(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await shop.make()
    monkeypatch.setattr(chassis.consistency, "REPLAYED", "SELECT pg_terminate_backend(pg_backend_pid())")
    answer = await shop.ask("GET", f"/things/{made.body['id']}", headers={HEADER: made.headers[HEADER.lower()]})
    assert (answer.status, answer.headers.get("x-served-by")) == (200, "primary")


async def test_over_http_a_replay_of_the_answer_has_a_token_too(shop: Shop, replica: Sql) -> None:
    await replica.execute("SELECT pg_wal_replay_pause()")
    await shop.make()
    again = await shop.make()
    assert again.headers["idempotent-replayed"] == "true"
    path = f"/things/{again.body['id']}"
    assert (await shop.ask("GET", path, headers={HEADER: again.headers[HEADER.lower()]})).status == 200


async def test_a_refused_command_has_no_token(shop: Shop) -> None:
    answer = await shop.ask("POST", "/things", json={"word": "x"})
    assert answer.status == 400
    assert HEADER.lower() not in answer.headers


async def test_a_query_for_what_is_not_there_is_not_made_twice(shop: Shop) -> None:
    before = counted("replica", ""), counted("primary", "failed")
    assert (await shop.ask("GET", f"/things/{uuid7()}")).status == 404
    assert (counted("replica", ""), counted("primary", "failed")) == (before[0] + 1, before[1])
