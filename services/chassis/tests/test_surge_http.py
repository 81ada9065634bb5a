"""Refusals over HTTP: early, with the time to wait, and without a trace."""

from collections.abc import AsyncIterator

import pytest
from chassis_kit import SettingsOf, Sql
from chassis_shop import Answer, Shop, open_shop

from bearer import Tokens
from chassis.db import Database
from chassis.events import uuid7


@pytest.fixture
async def shop(settings: SettingsOf, database: Database, tokens: Tokens) -> AsyncIterator[Shop]:
    async with open_shop(settings(customer_requests_per_second=0.1, customer_burst=3), database, tokens) as shop:
        shop.plan(database)
        yield shop


def refused(answer: Answer, status: int) -> int:
    """The seconds it is told to wait."""
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body["status"] == status
    return int(answer.headers["retry-after"])


async def test_who_asks_too_often_is_told_when_to_come_again_and_others_are_served(shop: Shop, sql: Sql) -> None:
    eager, patient = (shop.tokens.header(f"customer {uuid7()}") for _ in range(2))
    made = [await shop.make(key=str(n), **eager) for n in range(4)]
    assert [answer.status for answer in made[:3]] == [201, 201, 201]
    assert 1 <= refused(made[3], 429) <= 10
    assert await sql.fetchval("SELECT count(*) FROM things") == 3
    assert (await shop.make(**patient)).status == 201


async def test_while_the_outbox_is_too_old_nothing_new_is_begun_and_the_rest_goes_on(shop: Shop, sql: Sql) -> None:
    customer = shop.tokens.header(f"customer {uuid7()}")
    shop.state.backlog[0] = 31.0
    assert refused(await shop.make(**customer), 503) >= 1
    assert await sql.fetchval("SELECT count(*) FROM things") == 0
    assert (await shop.ask("GET", "/things", headers=customer)).status == 200
    shop.state.backlog[0] = 0.0
    assert (await shop.make(**customer)).status == 201
