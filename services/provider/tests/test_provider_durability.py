"""What was acknowledged survives; what cannot be kept is not acknowledged; what cannot start says why."""

import asyncio
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from provider.testing import RunningProvider, environment, free_port

BODY = {"amount_cents": 500, "currency": "EUR", "payment_token": "tok_ok"}

JSON = json.dumps(BODY).encode()
RAW_CHARGE = (
    b"POST /v1/charges HTTP/1.1\r\nHost: provider\r\nContent-Type: application/json\r\nIdempotency-Key: accepted\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(JSON), JSON)
)


async def charge(client: aiohttp.ClientSession, key: str) -> tuple[int, Any]:
    async with client.post("/v1/charges", json=BODY, headers={"Idempotency-Key": key}) as response:
        return response.status, await response.json(content_type=None)


async def charge_and_void_without_end(client: aiohttp.ClientSession, name: str, acknowledged: dict[str, str]) -> None:
    for number in range(1_000_000):
        key = f"{name}-{number}"
        _, charged = await charge(client, key)
        acknowledged[key] = charged["status"]
        if number % 2:
            async with client.post(f"/v1/charges/{key}/void") as response:
                acknowledged[key] = (await response.json())["status"]


async def wait_until_acknowledged(acknowledged: dict[str, str], count: int) -> None:
    async with asyncio.timeout(10):
        while len(acknowledged) < count:  # noqa: ASYNC110  any of the workers gets it there
            await asyncio.sleep(0.005)


async def read_ledger(client: aiohttp.ClientSession) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    async with client.get("/v1/ledger", params={"limit": 10_000}) as response:
        for entry in (await response.json())["entries"]:
            kinds.setdefault(entry["key"], []).append(entry["kind"])
    return kinds


async def test_every_acknowledged_charge_survives_a_kill_under_load(tmp_path: Path) -> None:
    acknowledged: dict[str, str] = {}
    with RunningProvider(tmp_path) as provider:
        for round_number in range(3):
            before = len(acknowledged)
            async with aiohttp.ClientSession(provider.url) as client:
                workers = [
                    asyncio.create_task(charge_and_void_without_end(client, f"{round_number}-{name}", acknowledged))
                    for name in "abcdefgh"
                ]
                await wait_until_acknowledged(acknowledged, before + 150)
                provider.kill()
                ended = await asyncio.gather(*workers, return_exceptions=True)
                assert all(isinstance(end, aiohttp.ClientError | OSError) for end in ended)
            provider.start()

        async with aiohttp.ClientSession(provider.url) as client:
            kinds = await read_ledger(client)
    last_entry = {"captured": "capture", "voided": "void"}
    for key, status in acknowledged.items():
        # A void may have been recorded and its answer killed: then it is there as a whole.
        assert kinds[key][-1] == last_entry[status] or kinds[key] == ["capture", "refund", "void"]
    assert all(entries in (["capture"], ["capture", "refund", "void"]) for entries in kinds.values())


async def test_sigterm_finishes_what_was_accepted_at_once_and_exits_cleanly(tmp_path: Path) -> None:
    with RunningProvider(tmp_path) as provider:
        async with aiohttp.ClientSession(provider.url) as client:
            async with client.put("/faults", json={"latency_ms": 60_000}):
                pass
            reader, writer = await asyncio.open_connection("127.0.0.1", provider.port)
            writer.write(RAW_CHARGE)
            for _ in range(2):  # the provider takes what arrives in order: it accepts the connection, then reads it
                async with client.get("/healthz"):
                    pass
            assert await asyncio.to_thread(provider.stop) == 0
            assert (await reader.readline()).startswith(b"HTTP/1.1 201")
            writer.close()
            await writer.wait_closed()
        provider.start()
        async with aiohttp.ClientSession(provider.url) as client:
            assert await read_ledger(client) == {"accepted": ["capture"]}


async def test_a_ledger_that_cannot_be_written_acknowledges_nothing_and_recovers(tmp_path: Path) -> None:
    with RunningProvider(tmp_path) as provider:
        async with aiohttp.ClientSession(provider.url) as client:
            assert (await charge(client, "before"))[0] == 201
            no_limit = resource.prlimit(provider.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(provider.pid, resource.RLIMIT_FSIZE, (4096, no_limit[1]))
            status, problem = await charge(client, "refused")
            assert (status, problem["status"]) == (503, 503)

            resource.prlimit(provider.pid, resource.RLIMIT_FSIZE, no_limit)
            assert (await charge(client, "after"))[0] == 201
            assert await read_ledger(client) == {"before": ["capture"], "after": ["capture"]}


def start_and_fail(**settings: str) -> str:
    command = [sys.executable, "-m", "provider"]
    done = subprocess.run(command, env=environment(settings), capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr.strip()


async def test_a_taken_port_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    with RunningProvider(tmp_path / "first") as running:
        said = await asyncio.to_thread(
            start_and_fail, QS_HTTP_PORT=str(running.port), QS_DATA_DIR=str(tmp_path / "second")
        )
    assert said == (
        f"cannot listen on 127.0.0.1:{running.port}: Address already in use; set QS_HTTP_PORT to a free port"
    )


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "QS_DATA_DIR is not set"),
        ({"QS_DATA_DIR": "/dev/null/ledger"}, "cannot open the ledger in QS_DATA_DIR=/dev/null/ledger"),
        ({"QS_DATA_DIR": "/tmp", "QS_LATENCY": "5"}, "unknown setting QS_LATENCY"),  # noqa: S108  never opened
    ],
)
def test_wrong_settings_stop_the_start_with_a_sentence(settings: dict[str, str], named: str) -> None:
    said = start_and_fail(QS_HTTP_PORT=str(free_port()), **settings)
    assert named in said
    assert "\n" not in said


def test_it_needs_no_more_than_its_own_dependencies() -> None:
    forbidden = (
        "fastapi",
        "sqlalchemy",
        "asyncpg",
        "aio_pika",
        "alembic",
        "aiohttp",
        "uuid_utils",
    )
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({forbidden}))\n"  # importing a module that is None fails
        "import provider.app, provider.connection, provider.settings"
    )
    subprocess.run([sys.executable, "-c", program], env=environment({}), check=True, timeout=20)
