"""A change and a load from a lagging replica race for one entry: whatever comes last, the old row never stays.

The cache and Redis are the real ones; the two database nodes are played, so that ten thousand rounds take seconds and
every interleaving of "read", "committed", "announced" and "kept" comes up.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import pytest
from chassis_kit import SettingsOf

import chassis.entries
from chassis.cache import Cache, Cached
from chassis.consistency import ANYTHING, PRIMARY_ONLY
from chassis.entries import Entry
from chassis.events import uuid7
from chassis.reads import Reading, ServedBy
from chassis.redis import Redis, Script

T = TypeVar("T")
ROUNDS = 10_000
AT_ONCE = 32
BLIND = Script("redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. ARGV[3], 'PX', ARGV[4])")


class World:
    """One row on two nodes: the log's positions are its versions times ten; the replica is behind as the dice say."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.primary = self.replica = 1

    async def moments(self) -> None:
        await asyncio.sleep(self._dice.choice((0, 0.01)) * self._dice.random())

    async def read(self, need: int) -> tuple[Entry, ServedBy]:
        """As a load would: the replica if it has come far enough, else the primary; and it takes its time."""
        await self.moments()
        version = self.replica if need <= 10 * self.replica else self.primary
        entry = Entry(version, 10 * version, b"%d" % version)
        await self.moments()
        return entry, "replica" if version == self.replica else "primary"


class Direct(Redis):
    """Asked without its guard, which has tests of its own: that is a third of the time."""

    async def call(self, question: Callable[[Any], Awaitable[T]]) -> T:
        return await question(self._client)


class PlayedCache(Cache):
    """A cache whose database is played."""

    worlds: dict[str, World]

    async def _query(self, key: str, need: int) -> tuple[Entry, ServedBy]:
        return await self.worlds[key].read(need)

    async def version(self, key: str, need: int = ANYTHING) -> int:
        reading = Reading(None, need, None, None)  # type: ignore[arg-type]  # the database is not asked
        body = await self.read(reading, key)
        assert body is not None
        return int(body)


async def _never(*_: Any) -> Any:
    raise AssertionError("the played database is asked otherwise")


@pytest.fixture
async def cache(settings: SettingsOf) -> AsyncIterator[PlayedCache]:
    redis = Direct(settings())
    cache = PlayedCache(Cached(f"played-{uuid7()}", _never, _never), redis, None)  # type: ignore[arg-type]  # likewise
    cache.worlds = {}
    cache._filling = asyncio.get_running_loop().create_future()  # type: ignore[assignment]  # no filter: keys are made up
    yield cache
    await redis.close()


async def race(cache: PlayedCache, number: int, dice: random.Random) -> list[str]:
    """One round. Returns what went wrong."""
    key, wrong = f"{number}", []
    world = cache.worlds[key] = World(dice)
    if dice.random() < 0.3:
        await cache.version(key)

    async def change() -> None:
        await world.moments()
        world.primary += 1
        token, changed = 10 * world.primary, world.primary
        if dice.random() < 0.3 and await cache.version(key, token) < changed:
            wrong.append("the writer read its old row")
        await world.moments()
        await cache.announce(key, changed)
        if await cache.version(key) < changed:
            wrong.append("an old row was read after the change was announced")

    async def replay() -> None:
        await world.moments()
        if dice.random() < 0.5:
            world.replica = world.primary

    reads = [
        cache.version(key, dice.choice([ANYTHING, ANYTHING, 10, PRIMARY_ONLY])) for _ in range(dice.randrange(1, 3))
    ]
    await asyncio.gather(change(), replay(), *reads)
    kept = await cache.entries.get(key)
    if kept is not None and kept.version < world.primary:
        wrong.append("the old row stays")
    return wrong


async def rounds(cache: PlayedCache, count: int, dice: random.Random) -> list[str]:
    numbers = iter(range(count))

    async def player() -> list[str]:
        return [each for number in numbers for each in await race(cache, number, dice)]

    return [each for found in await asyncio.gather(*(player() for _ in range(AT_ONCE))) for each in found]


async def test_a_load_that_races_a_change_never_brings_the_old_row_back(cache: PlayedCache) -> None:
    seed = random.randrange(2**32)  # noqa: S311  dice, not cryptography
    assert await rounds(cache, ROUNDS, random.Random(seed)) == [], f"seed {seed}"  # noqa: S311  likewise


async def test_without_the_comparison_it_would(cache: PlayedCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chassis.entries, "PUT", BLIND)
    assert "the old row stays" in await rounds(cache, ROUNDS // 20, random.Random(1))  # noqa: S311  likewise
