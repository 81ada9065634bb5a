"""Asking for a call: in the transaction or not at all, one at a time per order, superseded, given up in time."""

import pytest
from chassis_kit import Sql, Thing, make

from chassis.claims import claim
from chassis.db import Cause, Database
from chassis.effects import Effect, RunnerFacts, leased, request
from chassis.events import uuid7

CHARGE, VOID = "charge", "void"


@pytest.fixture
def room(database: Database) -> list[int]:
    """How many calls the runner of this process could start now: the one element."""
    room = [10]
    database.session_info["runner"] = RunnerFacts(lambda _: room[0], 10, {CHARGE: 30, VOID: None})
    return room


async def ask(database: Database, *kinds: str, thing: Thing | None = None, supersedes: str | None = None) -> Thing:
    """One transaction that asks for these calls, the last of which may end an earlier kind."""
    async with database.transaction("consumer") as session:
        thing = thing or make(session)
        for kind in kinds:
            request(session, thing, kind, {"n": 1}, supersedes=supersedes if kind == kinds[-1] else None)
    return thing


async def take(database: Database, room: int = 10, lease_seconds: float = 10) -> list[Effect]:
    async with database.transaction("claim") as session:
        return list(await claim(session, [CHARGE, VOID], room, lease_seconds))


async def test_an_effect_of_a_rolled_back_transaction_does_not_exist(database: Database, sql: Sql) -> None:
    with pytest.raises(LookupError):
        async with database.transaction("consumer") as session:
            request(session, make(session), CHARGE, {})
            raise LookupError
    assert await sql.fetchval("SELECT count(*) FROM effects") == 0


async def test_an_effect_carries_what_caused_it(database: Database) -> None:
    cause = Cause(uuid7(), uuid7(), 3)
    async with database.transaction("consumer", cause) as session:
        thing = make(session, partition=3)
        request(session, thing, CHARGE, {"amount": 7}, subject=(order := uuid7()))
    (effect,) = await take(database)
    assert effect.cause == cause
    assert (effect.kind, effect.subject, effect.aggregate_id) == (CHARGE, order, thing.id)
    assert (effect.payload, effect.attempt, effect.expired) == ({"amount": 7}, 1, False)


async def test_without_a_runner_nothing_is_leased(database: Database, sql: Sql) -> None:
    await ask(database, CHARGE)
    assert await sql.fetchrow("SELECT attempt, leased_until FROM effects") == (0, None)


async def test_a_runner_with_room_gets_the_effect_leased_with_the_commit(
    database: Database, sql: Sql, room: list[int]
) -> None:
    handed_over: list[Effect] = []
    database.listeners.append(lambda session: handed_over.extend(leased(session)))
    await ask(database, CHARGE)
    assert [effect.attempt for effect in handed_over] == [1]
    assert await sql.fetchval("SELECT attempt FROM effects WHERE leased_until > now() + interval '8 s'") == 1
    assert await take(database) == []


async def test_a_runner_without_room_gets_nothing(database: Database, sql: Sql, room: list[int]) -> None:
    room[0] = 0
    await ask(database, CHARGE)
    assert await sql.fetchval("SELECT leased_until FROM effects") is None
    assert len(await take(database)) == 1


async def test_what_is_handed_over_is_what_a_claim_would_find(database: Database, sql: Sql, room: list[int]) -> None:
    handed_over: list[Effect] = []
    database.listeners.append(lambda session: handed_over.extend(leased(session)))
    await ask(database, CHARGE)
    await sql.execute("UPDATE effects SET leased_until = NULL, attempt = 0")
    assert await take(database) == handed_over


async def test_two_claims_at_once_never_get_the_same_effect(database: Database) -> None:
    for _ in range(6):
        await ask(database, CHARGE)
    async with database.transaction("claim") as one, database.transaction("claim") as other:
        first = {effect.id for effect in await claim(one, [CHARGE], 4, 10)}
        second = {effect.id for effect in await claim(other, [CHARGE], 4, 10)}
    assert len(first) == 4
    assert len(second) == 2
    assert not first & second


async def test_a_lease_that_ran_out_is_claimed_as_the_next_attempt(database: Database, sql: Sql) -> None:
    await ask(database, CHARGE)
    (first,) = await take(database)
    assert await take(database) == []
    await sql.execute("UPDATE effects SET leased_until = now() - interval '1 ms'")
    (second,) = await take(database)
    assert (first.id, first.attempt, second.attempt) == (second.id, 1, 2)


async def test_effects_of_one_order_are_claimed_one_at_a_time_in_the_order_asked_for(
    database: Database, sql: Sql
) -> None:
    thing = await ask(database, CHARGE)
    await ask(database, VOID, thing=thing)
    assert [effect.kind for effect in await take(database)] == [CHARGE]
    assert await take(database) == []
    await sql.execute("UPDATE effects SET done_at = now() WHERE kind = 'charge'")
    assert [effect.kind for effect in await take(database)] == [VOID]


async def test_a_second_effect_of_an_order_is_not_handed_over_while_the_first_is_open(
    database: Database, sql: Sql, room: list[int]
) -> None:
    thing = await ask(database, CHARGE)
    await ask(database, VOID, thing=thing)
    assert await sql.fetchval("SELECT leased_until FROM effects WHERE kind = 'void'") is None


async def test_of_two_effects_of_one_order_asked_for_at_once_one_is_handed_over(
    database: Database, sql: Sql, room: list[int]
) -> None:
    await ask(database, CHARGE, VOID)
    leases = await sql.fetch("SELECT kind FROM effects WHERE leased_until IS NOT NULL")
    assert [row["kind"] for row in leases] == [CHARGE]


async def test_a_superseding_effect_ends_the_unfinished_one_and_runs_at_once(
    database: Database, sql: Sql, room: list[int]
) -> None:
    thing = await ask(database, CHARGE)
    await ask(database, VOID, thing=thing, supersedes=CHARGE)
    assert await sql.fetchrow("SELECT outcome, done_at IS NOT NULL FROM effects WHERE kind = 'charge'") == (
        "superseded",
        True,
    )
    assert await sql.fetchval("SELECT leased_until IS NOT NULL FROM effects WHERE kind = 'void'")


async def test_an_effect_superseded_by_the_same_transaction_is_never_performed(
    database: Database, sql: Sql, room: list[int]
) -> None:
    await ask(database, CHARGE, VOID, supersedes=CHARGE)
    open_ = await sql.fetch("SELECT kind FROM effects WHERE done_at IS NULL")
    assert [row["kind"] for row in open_] == [VOID]


async def test_what_is_asked_for_after_the_superseding_effect_stays(database: Database, sql: Sql) -> None:
    async with database.transaction("consumer") as session:
        thing = make(session)
        request(session, thing, CHARGE, {})
        request(session, thing, CHARGE, {}, supersedes=CHARGE)
        request(session, thing, VOID, {}, supersedes=CHARGE)
        request(session, thing, CHARGE, {})
    open_ = await sql.fetch("SELECT kind FROM effects WHERE done_at IS NULL ORDER BY id")
    assert [row["kind"] for row in open_] == [VOID, CHARGE]


async def test_superseding_leaves_other_orders_and_finished_effects_alone(
    database: Database, sql: Sql, room: list[int]
) -> None:
    thing = await ask(database, CHARGE)
    await sql.execute("UPDATE effects SET done_at = now(), outcome = 'done'")
    await ask(database, CHARGE)
    await ask(database, VOID, thing=thing, supersedes=CHARGE)
    assert await sql.fetchval("SELECT count(*) FROM effects WHERE outcome = 'superseded'") == 0


async def test_an_effect_past_its_deadline_is_claimed_as_expired(database: Database, sql: Sql, room: list[int]) -> None:
    room[0] = 0
    await ask(database, CHARGE)
    await ask(database, VOID)
    assert await sql.fetchval("SELECT give_up_at - created_at FROM effects WHERE kind = 'charge'") is not None
    assert await sql.fetchval("SELECT give_up_at FROM effects WHERE kind = 'void'") is None
    await sql.execute("UPDATE effects SET give_up_at = now() - interval '1 ms' WHERE give_up_at IS NOT NULL")
    assert {effect.kind: effect.expired for effect in await take(database)} == {CHARGE: True, VOID: False}


async def test_requests_of_two_hooks_are_written_once_each(database: Database, sql: Sql) -> None:
    async with database.transaction("consumer") as session:
        thing = make(session)
        request(session, thing, CHARGE, {})
        await session.prepare()
        request(session, thing, VOID, {})
    assert await sql.fetchval("SELECT count(*) FROM effects") == 2
