"""Connections are given in the order of asking, and come back whatever happens to whoever had them."""

import asyncio

import pytest
from chassis_kit import SettingsOf
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from chassis.db import Database

SIZE = 2
ONE = text("SELECT 1")


@pytest.fixture
async def small(settings: SettingsOf) -> Database:
    return Database(settings(database_pool_size=SIZE))


async def use(database: Database, served: list[int], number: int) -> None:
    async with database.query("primary") as session:
        await session.execute(ONE)
        served.append(number)


async def test_nobody_is_overtaken(small: Database) -> None:
    served: list[int] = []
    newcomers: list[asyncio.Task[None]] = []
    async with small.query("primary") as one, small.query("primary") as other:
        await one.execute(ONE)
        await other.execute(ONE)
        waiting = [asyncio.create_task(use(small, served, number)) for number in range(3)]
        await asyncio.sleep(0)

        def come(*_: object) -> None:
            """Right when a connection comes back, before whoever waits for it hears of that."""
            if len(newcomers) < 3:
                newcomers.append(asyncio.create_task(use(small, served, 3 + len(newcomers))))

        event.listen(small.engines["primary"].sync_engine, "checkin", come)
        await one.rollback()
        await asyncio.wait([*waiting, *newcomers])
    await asyncio.wait(newcomers)
    await small.close()
    assert served == [0, 1, 2, 3, 4, 5]


async def test_what_fails_gives_its_connection_back(small: Database) -> None:
    for _ in range(3 * SIZE):
        with pytest.raises(DBAPIError):
            async with small.query("primary") as session:
                await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    await use(small, [], 0)
    await small.close()


async def test_whoever_gives_up_waiting_takes_nobodys_turn(small: Database) -> None:
    small.engines["primary"].pool._timeout = 0.05
    served: list[int] = []
    async with small.query("primary") as one, small.query("primary") as other:
        await one.execute(ONE)
        await other.execute(ONE)
        with pytest.raises(PoolTimeoutError, match="pool 'primary'"):
            await use(small, served, 0)
        waiting = asyncio.create_task(use(small, served, 1))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    for number in range(2, 2 + 2 * SIZE):
        await use(small, served, number)
    assert served == [2, 3, 4, 5]
    await small.close()
