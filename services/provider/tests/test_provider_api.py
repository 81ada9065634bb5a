"""What a merchant can rely on, asked of the real process over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from provider.cards import DECLINE_REASONS, TOK_DOWN_ONCE, TOK_SLOW
from provider.testing import RunningProvider

BODY = {"amount_cents": 1250, "currency": "EUR", "payment_token": "tok_ok"}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProvider]:
    with RunningProvider(Path(tmp_path_factory.mktemp("provider"))) as running:
        yield running


@pytest.fixture
async def client(provider: RunningProvider) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(provider.url) as session:
        yield session


@pytest.fixture
def key() -> str:
    return str(uuid4())


async def post(client: aiohttp.ClientSession, path: str, key: str | None = None, **body: Any) -> tuple[int, Any]:
    headers = {} if key is None else {"Idempotency-Key": key}
    async with client.post(path, headers=headers, json=body or None) as response:
        return response.status, await response.json(content_type=None)


async def charge(client: aiohttp.ClientSession, key: str, **changes: Any) -> tuple[int, Any]:
    return await post(client, "/v1/charges", key, **{**BODY, **changes})


async def entries(client: aiohttp.ClientSession, key: str) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    after: int | None = 0
    while after is not None:
        async with client.get("/v1/ledger", params={"after": after, "limit": 7}) as response:
            page = await response.json()
        found += [(entry["kind"], entry["amount_cents"]) for entry in page["entries"] if entry["key"] == key]
        after = page["next"]
    return found


async def test_a_charge_is_captured_once_and_its_replays_answer_with_it(
    client: aiohttp.ClientSession, key: str
) -> None:
    first, replay = await charge(client, key), await charge(client, key)

    captured = {"key": key, "status": "captured", "decline_reason": None, "amount_cents": 1250, "currency": "EUR"}
    assert (first, replay) == ((201, captured), (200, captured))
    assert await entries(client, key) == [("capture", 1250)]


async def test_concurrent_charges_with_one_key_take_the_money_once(client: aiohttp.ClientSession, key: str) -> None:
    answers = await asyncio.gather(*(charge(client, key) for _ in range(50)))

    assert sorted(status for status, _ in answers) == [200] * 49 + [201]
    assert await entries(client, key) == [("capture", 1250)]


@pytest.mark.parametrize("token", sorted({*DECLINE_REASONS, "tok_made_up"} - {TOK_SLOW, TOK_DOWN_ONCE}))
async def test_each_test_token_ends_as_documented(client: aiohttp.ClientSession, key: str, token: str) -> None:
    reason = DECLINE_REASONS.get(token, "invalid_token")

    status, answer = await charge(client, key, payment_token=token)

    assert (status, answer["status"], answer["decline_reason"]) == (201, "declined" if reason else "captured", reason)


async def test_a_charge_that_arrives_after_its_void_takes_nothing(client: aiohttp.ClientSession, key: str) -> None:
    voided = await post(client, f"/v1/charges/{key}/void")
    late = await charge(client, key)

    assert (voided[0], late[0]) == (200, 200)
    assert voided[1] == late[1]
    assert voided[1]["status"] == "voided"
    assert await entries(client, key) == [("void", 0)]


async def test_a_void_gives_captured_money_back_and_is_final(client: aiohttp.ClientSession, key: str) -> None:
    await charge(client, key)

    answers = [await post(client, f"/v1/charges/{key}/void") for _ in range(2)] + [await charge(client, key)]

    assert [(status, answer["status"]) for status, answer in answers] == [(200, "voided")] * 3
    assert await entries(client, key) == [("capture", 1250), ("refund", 1250), ("void", 0)]


async def test_a_refund_is_made_once(client: aiohttp.ClientSession, key: str) -> None:
    await charge(client, key)

    answers = [await post(client, f"/v1/charges/{key}/{what}") for what in ("refund", "refund", "void")]

    assert [(status, answer["status"]) for status, answer in answers] == [(200, "refunded")] * 3
    assert (await charge(client, key))[1]["status"] == "refunded", "a replay answers with the current state"
    assert await entries(client, key) == [("capture", 1250), ("refund", 1250)]


async def test_a_refund_without_money_is_refused(client: aiohttp.ClientSession, key: str) -> None:
    assert (await post(client, f"/v1/charges/{key}/refund"))[0] == 404

    await charge(client, key, payment_token="tok_declined")
    assert (await post(client, f"/v1/charges/{key}/refund"))[0] == 409
    assert (await post(client, f"/v1/charges/{key}/void"))[1]["status"] == "declined"

    await post(client, f"/v1/charges/{key}-b/void")
    assert (await post(client, f"/v1/charges/{key}-b/refund"))[0] == 409


@pytest.mark.parametrize("change", [{"amount_cents": 1}, {"currency": "CHF"}, {"payment_token": "tok_declined"}])
async def test_a_key_is_refused_for_another_request(
    client: aiohttp.ClientSession, key: str, change: dict[str, Any]
) -> None:
    await charge(client, key)

    status, problem = await charge(client, key, **change)

    assert (status, problem["errors"][0]["field"]) == (422, "Idempotency-Key")
    assert await entries(client, key) == [("capture", 1250)]


async def test_a_look_up_answers_with_the_current_state(client: aiohttp.ClientSession, key: str) -> None:
    async with client.get(f"/v1/charges/{key}") as unseen:
        assert unseen.status == 404
    _, made = await charge(client, key)
    async with client.get(f"/v1/charges/{key}") as seen:
        assert (seen.status, await seen.json()) == (200, made)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount_cents": 0}, "amount_cents"),
        ({"amount_cents": -5}, "amount_cents"),
        ({"amount_cents": 2**63}, "amount_cents"),
        ({"amount_cents": 10**400}, "amount_cents"),
        ({"amount_cents": 12.5}, "amount_cents"),
        ({"amount_cents": "1250"}, "amount_cents"),
        ({"amount_cents": True}, "amount_cents"),
        ({"amount_cents": None}, "amount_cents"),
        ({"currency": "eur"}, "currency"),
        ({"currency": "EUR\n"}, "currency"),
        ({"payment_token": ""}, "payment_token"),
        ({"payment_token": "x" * 256}, "payment_token"),
        ({"tip_cents": 5}, "tip_cents"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_charged(
    client: aiohttp.ClientSession, key: str, change: dict[str, Any], field: str
) -> None:
    status, problem = await charge(client, key, **change)

    assert (status, problem["status"], problem["errors"][0]["field"]) == (422, 422, field)
    assert await entries(client, key) == []


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"payment_token": "\\ud800"}', "application/json", 400),
        (b"[" * 100_00, "application/json", 400),
        (b"[]", "application/json", 422),
        (json.dumps(BODY).encode(), "text/plain", 415),
        (b" " * 65_537, "application/json", 413),
    ],
)
async def test_a_body_that_is_no_charge_is_refused_with_a_problem_document(
    client: aiohttp.ClientSession, key: str, body: bytes, content_type: str, status: int
) -> None:
    headers = {"Idempotency-Key": key, "Content-Type": content_type}
    async with client.post("/v1/charges", data=body, headers=headers) as response:
        assert (response.status, response.content_type) == (status, "application/problem+json")
        assert (await response.json())["detail"]


@pytest.mark.parametrize(("bad", "status"), [(None, 400), ("", 422), ("a b", 422), ("../x", 422), ("k" * 129, 422)])
async def test_a_charge_needs_a_usable_key(client: aiohttp.ClientSession, bad: str | None, status: int) -> None:
    answer, problem = await post(client, "/v1/charges", bad, **BODY)

    assert (answer, problem["errors"][0]["field"]) == (status, "Idempotency-Key")


@pytest.mark.parametrize("query", ["after=-1", "after=x", "after=9999999999999999999", "limit=0", "limit=10001"])
async def test_a_wrong_query_of_the_ledger_is_named(client: aiohttp.ClientSession, query: str) -> None:
    async with client.get(f"/v1/ledger?{query}") as response:
        problem = await response.json(content_type="application/problem+json")
    assert (problem["status"], problem["errors"][0]["field"]) == (422, query.partition("=")[0])


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("DELETE", "/v1/charges", 405)])
async def test_an_unknown_path_or_method_is_a_problem_document(
    client: aiohttp.ClientSession, method: str, path: str, status: int
) -> None:
    async with client.request(method, path) as response:
        assert (response.status, response.content_type) == (status, "application/problem+json")
