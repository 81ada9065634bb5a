"""Every error is a problem document that names the field and says what to do; none tells what only we may know."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog
from chassis_kit import PATIENCE_SECONDS, SettingsOf, Sql
from chassis_shop import Answer, Shop, crash, open_shop, refuse

from bearer import Tokens
from chassis.body import MAX_BODY_BYTES
from chassis.db import Database

JSON = {"Content-Type": "application/json", "Idempotency-Key": "key"}


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


def is_problem(answer: Answer, status: int) -> bool:
    """Whether it is a whole problem document of this status."""
    members = {"type", "title", "status", "detail"}
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.body["status"] == status
    return members <= set(answer.body) and bool(answer.body["detail"])


@pytest.mark.parametrize(
    ("body", "headers", "field"),
    [
        (b"", JSON, "body"),
        (b"{", JSON, "body"),
        (b'{"word": "a"', JSON, "body"),
        (b"[]", JSON, "body"),
        (b'"word"', JSON, "body"),
        (b"null", JSON, "body"),
        (b'{"word": "a"}', {**JSON, "Content-Type": "text/plain"}, "body"),
        (b"{}", JSON, "word"),
        (b'{"word": 1}', JSON, "word"),
        (b'{"word": "a", "more": 1}', JSON, "more"),
        (b'{"word": "a", "lines": 1}', JSON, "lines"),
        (b'{"word": "a", "lines": [{"quantity": 1}, {"quantity": 0}]}', JSON, "lines.1.quantity"),
        (b'{"word": "a", "lines": [{"quantity": 1e400}]}', JSON, "lines.0.quantity"),
        (b'{"word": "a", "lines": [{"quantity": NaN}]}', JSON, "lines.0.quantity"),
    ],
)
async def test_a_body_that_is_not_understood_is_a_422_that_names_the_field(
    shop: Shop, sql: Sql, body: bytes, headers: dict[str, str], field: str
) -> None:
    answer = await shop.ask("POST", "/things", data=body, headers=headers)
    assert is_problem(answer, 422)
    assert field in [error["field"] for error in answer.body["errors"]]
    assert all(error["message"] for error in answer.body["errors"])
    assert field in answer.body["detail"]
    assert await sql.fetchval("SELECT count(*) FROM things") == 0


@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe", b'{"word": "\xff"}', b'{"word": ' + b"9" * 5000 + b"}", b"[" * 50_000],
    ids=["no text", "no utf-8", "an endless number", "bottomless"],
)
async def test_a_body_that_cannot_even_be_parsed_is_a_problem_of_the_clients(shop: Shop, body: bytes) -> None:
    answer = await shop.ask("POST", "/things", data=body, headers=JSON)
    assert answer.status in (400, 422)
    assert is_problem(answer, answer.status)


async def test_broken_json_is_told_with_the_place_where_it_breaks(shop: Shop) -> None:
    answer = await shop.ask("POST", "/things", data=b'{"word": }', headers=JSON)
    assert "is not valid JSON" in answer.body["detail"]
    assert "at character 9" in answer.body["detail"]


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        ("PUT", "/things/x", "path.number"),
        ("GET", "/things?limit=0", "query.limit"),
        ("GET", "/things?limit=1e9", "query.limit"),
        ("GET", "/things?limit=", "query.limit"),
    ],
)
async def test_a_wrong_parameter_is_named_with_its_place(shop: Shop, method: str, path: str, field: str) -> None:
    answer = await shop.ask(method, path)
    assert is_problem(answer, 422)
    assert [error["field"] for error in answer.body["errors"]] == [field]


async def test_an_unknown_path_is_a_problem(shop: Shop) -> None:
    for path in ("/nowhere", "/things/", "/docs", "/openapi.json"):
        assert is_problem(await shop.ask("GET", path), 404)


async def test_a_wrong_method_is_a_problem_that_names_the_right_ones(shop: Shop) -> None:
    answer = await shop.ask("PATCH", "/things")
    assert is_problem(answer, 405)
    assert answer.headers["allow"]


async def test_a_request_of_nobody_is_401(shop: Shop) -> None:
    answer = await shop.make(Authorization="")
    assert is_problem(answer, 401)
    assert answer.headers["www-authenticate"] == 'Bearer realm="quicksand"'


async def test_what_only_the_shop_may_do_is_403_for_others(shop: Shop) -> None:
    assert is_problem(await shop.ask("DELETE", "/things"), 403)
    assert (await shop.ask("DELETE", "/things", headers=shop.tokens.header("admin"))).status == 200


async def test_a_refusal_carries_its_details(shop: Shop, database: Database) -> None:
    shop.plan(database, refuse)
    answer = await shop.make()
    assert is_problem(answer, 409)
    assert (answer.body["detail"], answer.body["products"]) == ("there is not enough", ["a"])


async def endless(length: int) -> AsyncIterator[bytes]:
    """A body whose length nobody declares."""
    for _ in range(length // 1024):
        yield b"x" * 1024


async def test_a_body_declared_too_long_is_refused_before_it_is_sent(shop: Shop) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
    writer.write(b"POST /things HTTP/1.1\r\nHost: here\r\nContent-Length: 99999999\r\n\r\n")
    assert b" 413 " in await asyncio.wait_for(reader.readline(), PATIENCE_SECONDS)
    writer.close()


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "undeclared"])
async def test_a_body_that_is_too_long_is_413(shop: Shop, sql: Sql, *, declared: bool) -> None:
    data: Any = b"x" * (MAX_BODY_BYTES + 1) if declared else endless(2 * MAX_BODY_BYTES)
    assert is_problem(await shop.ask("POST", "/things", data=data, headers=JSON), 413)
    assert await sql.fetchval("SELECT count(*) FROM things") == 0


async def test_the_longest_body_is_read(shop: Shop) -> None:
    word = "x" * (MAX_BODY_BYTES - len('{"word": ""}'))
    assert (await shop.make(word=word)).status == 201


async def test_a_bug_is_a_500_that_tells_nothing_and_is_logged_with_its_correlation_id(
    shop: Shop, database: Database
) -> None:
    shop.plan(database, crash)
    correlation_id = str(uuid.uuid4())
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        answer = await shop.make(**{"X-Correlation-Id": correlation_id})
    assert is_problem(answer, 500)
    assert b"tok_secret" not in answer.raw
    assert answer.headers["x-correlation-id"] == correlation_id
    (line,) = [line for line in lines if line["log_level"] == "error"]
    assert str(line["correlation_id"]) == correlation_id


async def test_every_answer_carries_the_requests_correlation_id(shop: Shop) -> None:
    given = str(uuid.uuid4())
    for path in ("/things", "/nowhere", "/things?limit=0"):
        assert (await shop.ask("GET", path, headers={"X-Correlation-Id": given})).headers["x-correlation-id"] == given


@pytest.mark.parametrize("given", [None, "", "not-a-uuid", "\xff"])
async def test_a_request_without_a_correlation_id_is_given_one(shop: Shop, given: str | None) -> None:
    headers = {} if given is None else {"X-Correlation-Id": given}
    answer = await shop.ask("GET", "/things", headers=headers)
    assert answer.status == 200
    assert uuid.UUID(answer.headers["x-correlation-id"])
