"""Effects that wait in the table while this process is handed more than it can do: they have places of their own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from chassis_calls import Call, ask, start
from chassis_kit import SettingsOf, Sql, Thing, eventually

import chassis.runner
from chassis.db import Database

ANSWER_SECONDS = 0.05
PLACES = 2
IN_MEMORY = PLACES * chassis.runner.WAITING_PER_CALL


class Slow(Call):
    """Its answers take a while, and are good."""

    async def _answer(self, answer: Exception | asyncio.Event | str) -> str:
        await asyncio.sleep(ANSWER_SECONDS)
        return await super()._answer(answer)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chassis.runner, "POLL_SECONDS", 0.02)


@pytest.fixture
async def another(settings: SettingsOf, database: Database) -> AsyncIterator[Database]:
    """The database as another process has it, whose effects are not handed over here."""
    another = Database(settings())
    yield another
    await another.close()


@asynccontextmanager
async def load(database: Database, call: Call) -> AsyncIterator[None]:
    """For as long as the block lasts, more is asked for than can be done; it begins with all places taken."""
    over = False

    async def ask_on() -> None:
        while not over:
            await ask(database)
            await asyncio.sleep(ANSWER_SECONDS / 4)

    asking = asyncio.create_task(ask_on())
    try:
        await eventually(lambda: performed(call, 4 * IN_MEMORY))
        yield
    finally:
        over = True
        await asking


async def performed(call: Call, count: int) -> bool:
    """Whether at least so many calls were begun."""
    return len(call.performed) >= count


async def outcomes(sql: Sql, things: list[Thing]) -> list[str]:
    """What became of their effects, as far as they are done."""
    found = await sql.fetch(
        "SELECT outcome FROM effects WHERE subject = ANY($1) AND done_at IS NOT NULL", [thing.id for thing in things]
    )
    return [row["outcome"] for row in found]


async def all_done(sql: Sql, things: list[Thing]) -> bool:
    return len(await outcomes(sql, things)) == len(things)


async def test_what_another_process_left_behind_has_its_turn_while_this_one_is_handed_more_than_it_can_do(
    database: Database, another: Database, settings: SettingsOf, sql: Sql
) -> None:
    async with start(database, call := Slow(concurrency=PLACES), settings()), load(database, call):
        things = [await ask(another) for _ in range(3)]
        await eventually(lambda: all_done(sql, things))
    assert call.most_running == PLACES


async def test_what_is_to_be_given_up_is_given_up_although_there_is_no_place_for_a_call(
    database: Database, another: Database, settings: SettingsOf, sql: Sql
) -> None:
    call, answer = Call(concurrency=1, timeout_seconds=9), asyncio.Event()
    call.answers = [answer]
    async with start(database, call, settings()):
        waiting = [await ask(database) for _ in range(chassis.runner.WAITING_PER_CALL)]
        waiting.append(await ask(another))
        await eventually(lambda: is_leased(sql, waiting[-1]))
        late = await ask(another)
        await sql.execute("UPDATE effects SET give_up_at = now() WHERE subject = $1", late.id)
        await eventually(lambda: all_done(sql, [late]))
        assert await outcomes(sql, [late]) == ["given up"]
        assert await outcomes(sql, waiting) == []
        assert len(call.performed) == 1


async def is_leased(sql: Sql, thing: Thing) -> bool:
    """Whether its call is taken on."""
    query = "SELECT leased_until IS NOT NULL FROM effects WHERE subject = $1"
    return bool(await sql.fetchval(query, thing.id))
