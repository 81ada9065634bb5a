"""Faults: what was chosen happens, money moves exactly as promised, and the operator's own way in stays open."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from provider.testing import RunningProvider

NO_FAULTS = {
    "latency_ms": 0,
    "jitter_ms": 0,
    "error_rate": 0.0,
    "decline_rate": 0.0,
    "lost_answer_rate": 0.0,
    "down": False,
}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProvider]:
    with RunningProvider(Path(tmp_path_factory.mktemp("provider"))) as running:
        yield running


@pytest.fixture
async def client(provider: RunningProvider) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(provider.url) as session:
        yield session
        await set_faults(session)


@pytest.fixture
def key() -> str:
    return str(uuid4())


async def set_faults(client: aiohttp.ClientSession, **faults: Any) -> tuple[int, Any]:
    async with client.put("/faults", json=faults) as response:
        return response.status, await response.json(content_type=None)


async def charge(client: aiohttp.ClientSession, key: str, card: str = "tok_ok") -> tuple[int, Any]:
    body = {"amount_cents": 990, "currency": "EUR", "payment_token": card}
    async with client.post("/v1/charges", json=body, headers={"Idempotency-Key": key}) as response:
        return response.status, await response.json(content_type=None)


async def charge_and_leave(client: aiohttp.ClientSession, port: int, key: str) -> None:
    """Close the connection as soon as the provider has read the charge."""
    body = '{"amount_cents": 990, "currency": "EUR", "payment_token": "tok_ok"}'
    fields = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nIdempotency-Key: {key}\r\n"
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST /v1/charges HTTP/1.1\r\nHost: provider\r\n{fields}\r\n{body}".encode())
    for _ in range(2):  # the provider takes what arrives in order: it accepts the connection, then reads it
        async with client.get("/healthz"):
            pass
    writer.close()
    await writer.wait_closed()


async def status_of(client: aiohttp.ClientSession, key: str) -> str | None:
    async with client.get(f"/v1/charges/{key}") as response:
        return (await response.json())["status"] if response.status == 200 else None


async def wait_for_status(client: aiohttp.ClientSession, key: str, status: str) -> None:
    async with asyncio.timeout(10):
        while await status_of(client, key) != status:  # noqa: ASYNC110  another process knows it
            await asyncio.sleep(0.01)


async def test_faults_are_reported_and_one_left_out_is_over(client: aiohttp.ClientSession) -> None:
    chosen = {"latency_ms": 5, "error_rate": 0.25, "down": True}
    assert await set_faults(client, **chosen) == (200, {**NO_FAULTS, **chosen})
    async with client.get("/faults") as response:
        assert await response.json() == {**NO_FAULTS, **chosen}
    assert await set_faults(client) == (200, NO_FAULTS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"error_rate": 1.1},
        {"decline_rate": -0.1},
        {"lost_answer_rate": "often"},
        {"latency_ms": -1},
        {"latency_ms": 1.5},
        {"jitter_ms": 60_001},
        {"down": 1},
        {"latencyms": 5},
    ],
)
async def test_a_wrong_fault_is_named_and_changes_nothing(client: aiohttp.ClientSession, wrong: dict[str, Any]) -> None:
    status, problem = await set_faults(client, **wrong)

    assert (status, problem["errors"][0]["field"]) == (422, *wrong)
    async with client.get("/faults") as response:
        assert await response.json() == NO_FAULTS


async def test_down_refuses_at_once_and_takes_no_money(client: aiohttp.ClientSession, key: str) -> None:
    await set_faults(client, down=True, latency_ms=60_000)

    status, problem = await charge(client, key)

    assert (status, problem["status"]) == (503, 503)
    for path in ("/healthz", "/v1/ledger"):
        async with client.get(path) as response:
            assert response.status == 200, "health and the ledger stay reachable"
    await set_faults(client)
    assert await status_of(client, key) is None


async def test_an_error_happens_before_money_moves(client: aiohttp.ClientSession, key: str) -> None:
    await set_faults(client, error_rate=1)
    assert (await charge(client, key))[0] == 500
    await set_faults(client)
    assert await status_of(client, key) is None


async def test_a_decline_rate_of_one_declines_good_cards(client: aiohttp.ClientSession, key: str) -> None:
    await set_faults(client, decline_rate=1)
    status, answer = await charge(client, key)
    assert (status, answer["status"], answer["decline_reason"]) == (201, "declined", "card_declined")


async def test_latency_is_added_to_each_call(client: aiohttp.ClientSession, key: str) -> None:
    await set_faults(client, latency_ms=80, jitter_ms=20)
    started = time.monotonic()
    await charge(client, key)
    assert time.monotonic() - started >= 0.08


async def test_a_lost_answer_is_lost_after_the_money_moved(client: aiohttp.ClientSession, key: str) -> None:
    await set_faults(client, lost_answer_rate=1)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await charge(client, key)

    assert await status_of(client, key) == "captured", "a look-up is answered: it moves no money"
    await set_faults(client)
    assert (await charge(client, key))[0] == 200, "the replay finds it"


async def test_a_charge_whose_client_has_gone_is_completed(
    client: aiohttp.ClientSession, provider: RunningProvider, key: str
) -> None:
    await set_faults(client, latency_ms=200)
    await charge_and_leave(client, provider.port, key)
    await set_faults(client)
    await wait_for_status(client, key, "captured")


async def test_tok_down_once_fails_the_first_attempt_only(client: aiohttp.ClientSession, key: str) -> None:
    assert [(await charge(client, key, "tok_down_once"))[0] for _ in range(3)] == [503, 201, 200]


async def test_a_void_overtakes_a_slow_charge_for_good(client: aiohttp.ClientSession, key: str) -> None:
    started = time.monotonic()
    slow = asyncio.create_task(charge(client, key, "tok_slow"))
    await asyncio.sleep(0.1)  # long enough for the charge to arrive; were it too short, the void would be first anyway
    async with client.post(f"/v1/charges/{key}/void") as response:
        assert (await response.json())["status"] == "voided"

    status, answer = await slow

    assert (status, answer["status"]) == (200, "voided")
    assert time.monotonic() - started >= 2.9, "longer than the two seconds a caller waits"
    assert (await charge(client, f"{key}-b", "tok_ok"))[0] == 201
