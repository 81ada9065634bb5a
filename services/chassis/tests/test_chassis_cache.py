"""A cache in front of a replicated database: loaded once, never older than its reader may see, never in the way."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from chassis_kit import SettingsOf, Sql, Thing, eventually, make
from chassis_wire import Wire, wire_to_port
from sqlalchemy import select, text

import chassis.entries
from chassis.cache import Cache, Cached, Row
from chassis.consistency import ANYTHING, PRIMARY_ONLY, needed
from chassis.db import Database, Session
from chassis.entries import Entries, Entry
from chassis.events import uuid7
from chassis.invalidation import Announcer, invalidate
from chassis.reads import Reading, Reads
from chassis.redis import Redis, RedisAwayError
from native import Stack

FLUSHED = text("SELECT set_config('synchronous_commit', 'on', true)")
CHANGE = text("UPDATE things SET label = :label, version = version + 1 WHERE id = :id RETURNING version")


class Things:
    """Cached things; counts how often they were loaded."""

    def __init__(self, database: Database, redis: Redis) -> None:
        self.database = database
        self.reads = Reads(database)
        self.loads = 0
        self.name = f"things-{uuid7()}"
        self.cache = Cache(Cached(self.name, self._load, self._keys), redis, self.reads)
        self.announcer = Announcer(database, {self.name: self.cache})

    async def _load(self, session: Session, key: str) -> Row | None:
        self.loads += 1
        thing = await session.get(Thing, UUID(key))
        return Row(thing.version, thing.label.encode()) if thing else None

    async def _keys(self, session: Session) -> list[str]:
        return [str(id_) for id_ in await session.scalars(select(Thing.id))]

    async def create(self, label: str = "first") -> str:
        async with self.database.transaction("http") as session:
            await session.execute(FLUSHED)
            thing = make(session)
            thing.label, thing.version = label, 1
        return str(thing.id)

    async def change(self, key: str, label: str) -> int:
        """Returns what its writer must see."""
        async with self.database.transaction("http") as session:
            await session.execute(FLUSHED)
            version = await session.scalar(CHANGE, {"id": key, "label": label})
            await invalidate(session, self.name, key, version)
        return needed(self.database.token(session), self.database.cluster)

    async def read(self, key: str, need: int = ANYTHING) -> tuple[str | None, str | None]:
        """The label, and who told it."""

        async def query(reading: Reading) -> tuple[str | None, str | None]:
            body = await self.cache.read(reading, key)
            return body.decode() if body is not None else None, reading.served_by

        return await self.reads.run(need, query)


@pytest.fixture
async def redis(settings: SettingsOf) -> AsyncIterator[Redis]:
    redis = Redis(settings(redis_timeout_seconds=5))
    yield redis
    await redis.close()


@pytest.fixture
async def things(pair: Database, redis: Redis) -> Things:
    return Things(pair, redis)


@pytest.fixture
async def level(sql: Sql, replica: Sql) -> Any:
    """Waits until the replica has replayed what was written."""

    async def wait() -> None:
        position = await sql.fetchval("SELECT pg_current_wal_insert_lsn()")

        async def reached() -> bool:
            return bool(await replica.fetchval("SELECT pg_last_wal_replay_lsn() >= $1", position))

        await sql.execute("SELECT pg_switch_wal()")
        await eventually(reached)

    return wait


async def test_five_hundred_who_miss_at_once_load_once(things: Things) -> None:
    key = await things.create()
    need = needed(things.database.token(await _touch(things)), things.database.cluster)
    await _touch(things)
    found = await asyncio.gather(*(things.read(key, need) for _ in range(500)))
    assert {label for label, _ in found} == {"first"}
    assert things.loads == 1


async def _touch(things: Things) -> Session:
    async with things.database.transaction("http") as session:
        await session.execute(FLUSHED)
        await session.execute(text("UPDATE heartbeat SET at = at"))
    return session


async def test_who_asks_for_what_nobody_has_written_yet_hands_nobody_an_older_row(
    things: Things, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, loaded, go_on = Entries.put, asyncio.Event(), asyncio.Event()

    async def hesitate(entries: Entries, key: str, entry: Entry) -> Entry | None:
        loaded.set()
        await go_on.wait()
        return await put(entries, key, entry)

    monkeypatch.setattr(Entries, "put", hesitate)
    key = await things.create()
    first = asyncio.create_task(things.read(key, 2**60))
    await loaded.wait()
    need = await things.change(key, "second")
    second = asyncio.create_task(things.cache._share(key, need, away=False))
    await asyncio.sleep(0)  # it waits for the load that is under way
    go_on.set()
    assert (await first)[0] == "first"
    assert (await second).body == b"second"


async def test_what_was_loaded_is_told_by_the_cache(things: Things, level: Any) -> None:
    key = await things.create()
    await level()
    assert await things.read(key) == ("first", "replica")
    assert await things.read(key) == ("first", "cache")
    assert things.loads == 1


async def test_a_writer_sees_the_change_at_once_while_the_replica_stands_still(
    things: Things, level: Any, replica: Sql
) -> None:
    key = await things.create()
    await level()
    await things.read(key)
    await replica.execute("SELECT pg_wal_replay_pause()")
    need = await things.change(key, "second")
    assert await things.read(key) == ("first", "cache"), "nobody has told the cache: this test can fail"
    assert await things.read(key, need) == ("second", "primary")


async def test_everybody_sees_the_change_once_it_is_announced_although_the_replica_stands_still(
    things: Things, level: Any, replica: Sql
) -> None:
    key = await things.create()
    await level()
    await things.read(key)
    await replica.execute("SELECT pg_wal_replay_pause()")
    await things.change(key, "second")
    await things.announcer.announce()
    assert await things.read(key) == ("second", "primary")
    assert await things.read(key) == ("second", "cache")


async def test_an_announcement_is_forgotten_only_once_the_cache_knows(
    things: Things, sql: Sql, settings: SettingsOf, stack: Stack
) -> None:
    key = await things.create()
    async with wire_to_port(stack.ports["redis"]) as wire:
        redis = Redis(settings(redis_port=wire.port, redis_timeout_seconds=0.2))
        announcer = Announcer(things.database, {things.name: Cache(things.cache._cached, redis, things.reads)})
        wire.stop()
        await things.change(key, "second")
        with pytest.raises(RedisAwayError):
            await announcer.announce()
        assert await sql.fetchval("SELECT count(*) FROM invalidations") == 1
        wire.resume()
        await announcer.announce()
        await redis.close()
    assert await sql.fetchval("SELECT count(*) FROM invalidations") == 0
    assert (await things.cache.entries.get(key)) == Entry(2, 0, tombstone=True)


async def test_a_position_read_on_the_primary_does_not_vouch_for_a_commit_that_is_not_yet_visible(
    things: Things, sql: Sql, connection: Sql
) -> None:
    """The log may end with a commit that still waits for the standby: its writer's token is this very position."""
    key = await things.create()
    await things.read(key, PRIMARY_ONLY)
    entry = await things.cache.entries.get(key)
    assert entry is not None
    assert entry.position < await sql.fetchval("SELECT pg_current_wal_lsn() - '0/0'")


async def test_what_does_not_exist_is_remembered_too_and_found_once_it_does(things: Things, level: Any) -> None:
    key = str(uuid7())
    assert await things.read(key, 1) == (None, "replica")
    assert await things.read(key) == (None, "cache")
    assert things.loads == 1
    async with things.database.transaction("http") as session:
        await session.execute(FLUSHED)
        thing = make(session, id_=UUID(key))
        thing.label, thing.version = "born", 1
        await invalidate(session, things.name, key, 1)
    need = needed(things.database.token(session), things.database.cluster)
    assert (await things.read(key, need))[0] == "born"
    await things.announcer.announce()
    assert (await things.read(key))[0] == "born"


async def filled(things: Things) -> None:
    """The Bloom filter is."""
    await things.read(str(uuid7()))
    await eventually(lambda: _is_whole(things))


async def _is_whole(things: Things) -> bool:
    return await things.cache.bloom.look("x") is not None


async def test_ten_thousand_made_up_keys_cost_less_than_a_hundred_queries(things: Things) -> None:
    keys = [await things.create() for _ in range(5)]
    await filled(things)
    things.loads = 0
    for _ in range(100):
        found = await asyncio.gather(*(things.read(str(uuid7())) for _ in range(100)))
        assert set(found) == {(None, "cache")}
    assert things.loads < 100
    assert await things.cache.bloom.look(keys[0]) is True


async def test_a_token_passes_the_bloom_filter(things: Things) -> None:
    await filled(things)
    key = await things.create()
    assert (await things.read(key))[0] is None, "it was not announced"
    need = needed(things.database.token(await _touch(things)), things.database.cluster)
    assert (await things.read(key, need))[0] == "first"


async def test_a_filter_whose_bits_were_lost_while_it_was_filled_is_not_called_whole(
    things: Things, redis: Redis
) -> None:
    async def read_keys() -> list[str]:
        await redis.call(lambda client: client.delete(things.cache.bloom._bits))
        await things.cache.bloom.add("announced meanwhile")
        return ["known"]

    assert not await things.cache.bloom.fill(read_keys)
    assert await things.cache.bloom.look("known") is None


async def test_entries_end_and_not_together(things: Things, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        await things.cache.entries.put(f"{number}", Entry(1, 1, b"x"))
    left: Any = [await redis.call(lambda c, n=n: c.pttl(f"order:{things.name}:{n}")) for n in range(50)]  # type: ignore[misc]
    assert max(left) <= 1200 * chassis.entries.TTL_SECONDS
    assert max(left) - min(left) > 100 * chassis.entries.TTL_SECONDS


@pytest.fixture
async def wire(stack: Stack) -> AsyncIterator[Wire]:
    async with wire_to_port(stack.ports["redis"]) as wire:
        yield wire


@pytest.mark.parametrize("how", ["down", "stop"])
async def test_without_redis_reads_are_slower_and_right(
    things: Things, wire: Wire, settings: SettingsOf, level: Any, how: str
) -> None:
    redis = Redis(settings(redis_port=wire.port, redis_timeout_seconds=0.05))
    alone = Things(things.database, redis)
    key = await things.create()
    await level()
    getattr(wire, how)()
    for _ in range(20):
        began = time.monotonic()
        assert (await alone.read(key))[0] == "first"
        assert time.monotonic() - began < 1
    assert alone.loads == 20
    await redis.close()


async def test_redis_is_asked_again_when_it_is_back(things: Things, wire: Wire, settings: SettingsOf) -> None:
    redis = Redis(settings(redis_port=wire.port, redis_timeout_seconds=0.2))
    alone = Things(things.database, redis)
    key = await things.create()
    wire.stop()
    for _ in range(8):
        await alone.read(key, 1)
    wire.resume()

    async def by_cache() -> bool:
        return (await alone.read(key, 1))[1] == "cache"

    await eventually(by_cache)
    await redis.close()


async def test_a_service_gets_at_no_others_keys(redis: Redis) -> None:
    with pytest.raises(RedisAwayError, match=r"(?i)permission"):
        await redis.call(lambda client: client.get("payment:x"))
    with pytest.raises(RedisAwayError, match=r"(?i)permission"):
        await redis.call(lambda client: client.flushall())
