"""Idempotency keys: the same request sent again has the effect of one and is answered as the first was."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from chassis_kit import SettingsOf, Sql
from chassis_shop import Shop, crash, open_shop, refuse

from bearer import Tokens
from chassis.db import Database


@pytest.fixture(scope="module")
async def open_once(settings: SettingsOf, tokens: Tokens) -> AsyncIterator[Shop]:
    database = Database(settings())
    async with open_shop(settings(), database, tokens) as shop:
        yield shop
    await database.close()


@pytest.fixture
def shop(open_once: Shop, database: Database) -> Shop:
    open_once.plan(database)
    return open_once


async def things(sql: Sql) -> int:
    count: int = await sql.fetchval("SELECT count(*) FROM things")
    return count


async def test_a_repeated_request_is_answered_as_the_first_and_has_no_effect(shop: Shop, sql: Sql) -> None:
    first = await shop.make()
    again = await shop.make()
    assert (again.status, again.raw) == (first.status, first.raw) == (201, first.raw)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["content-type"] == first.headers["content-type"]
    assert (first.headers.get("idempotent-replayed"), again.headers.get("idempotent-replayed")) == (None, "true")
    assert await things(sql) == 1


async def test_every_duplicate_writes_so_that_its_answer_waits_for_the_standby(shop: Shop, sql: Sql) -> None:
    for _ in range(3):
        await shop.make()
    assert await sql.fetchval("SELECT seen FROM idempotency") == 3


async def test_duplicates_sent_at_once_have_one_effect_and_one_answer(shop: Shop, sql: Sql) -> None:
    answers = await asyncio.gather(*(shop.make() for _ in range(12)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.raw for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert await things(sql) == 1


async def test_a_key_with_another_body_is_422(shop: Shop, sql: Sql) -> None:
    await shop.make()
    answer = await shop.make(word="something else")
    assert answer.status == 422
    assert "Idempotency-Key" in answer.body["detail"]
    assert await things(sql) == 1


async def test_a_key_used_for_another_thing_is_422(shop: Shop) -> None:
    key = {"Idempotency-Key": "key"}
    assert (await shop.ask("POST", "/things/a/touch", headers=key)).status == 200
    assert (await shop.ask("POST", "/things/b/touch", headers=key)).status == 422


async def test_a_key_belongs_to_one_customer_and_one_route(shop: Shop, sql: Sql) -> None:
    await shop.make()
    other = await shop.make(**shop.tokens.header("other"))
    assert (other.status, other.headers.get("idempotent-replayed")) == (201, None)
    touch = await shop.ask("POST", "/things/a/touch", headers={"Idempotency-Key": "key"})
    assert (touch.status, touch.headers.get("idempotent-replayed")) == (200, None)
    assert await things(sql) == 2


@pytest.mark.parametrize("key", [None, "", "k" * 256])
async def test_a_missing_or_too_long_key_is_400(shop: Shop, sql: Sql, key: str | None) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = await shop.ask("POST", "/things", json={"word": "a"}, headers=headers)
    assert answer.status == 400
    assert "Idempotency-Key" in answer.body["detail"]
    assert await things(sql) == 0


async def test_the_longest_key_is_accepted(shop: Shop) -> None:
    assert (await shop.make("k" * 255)).status == 201


@pytest.mark.parametrize(("act", "status"), [(refuse, 409), (crash, 500)])
async def test_a_refused_or_failed_request_is_not_remembered(
    shop: Shop, database: Database, sql: Sql, act: object, status: int
) -> None:
    shop.plan(database, act)  # type: ignore[arg-type]
    assert (await shop.make()).status == status
    assert await sql.fetchval("SELECT count(*) FROM idempotency") == 0
    again = await shop.make()
    assert (again.status, again.headers.get("idempotent-replayed")) == (201, None)


async def test_an_invalid_request_is_not_remembered(shop: Shop, sql: Sql) -> None:
    key = {"Idempotency-Key": "key"}
    assert (await shop.ask("POST", "/things", json={"wrong": 1}, headers=key)).status == 422
    assert (await shop.make()).status == 201


async def test_a_duplicate_waits_for_the_first_and_takes_its_place_if_that_is_refused(
    shop: Shop, database: Database, sql: Sql
) -> None:
    shop.plan(database, refuse)
    answers = await asyncio.gather(shop.make(), shop.make(), shop.make())
    assert sorted(answer.status for answer in answers) == [201, 201, 409]
    assert await things(sql) == 1
