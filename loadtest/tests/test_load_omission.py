"""Coordinated omission: against a server that stands still, only who does not wait for it sees that it did."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web
from load_kit import plan

from load import record
from load.arrivals import Phase
from load.plan import VARIABLE, Plan
from load.run import LOCUSTFILE
from load.statistics import percentile
from native import tokens

SECONDS, FROZEN_FROM, FROZEN_UNTIL = 10.0, 3.0, 6.0
PER_SECOND = 20.0
CLIENTS = 4


class Server:
    """Takes every order at once, except that it stands still for three of ten seconds from `start` on."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self._first = 0.0

    async def answer(self, _: web.Request) -> web.Response:
        """As the shop would."""
        if not self.started.is_set():
            self._first = time.monotonic()
            self.started.set()
        since = time.monotonic() - self._first
        if FROZEN_FROM <= since < FROZEN_UNTIL:
            await asyncio.sleep(FROZEN_UNTIL - since)
        return web.json_response({"id": str(uuid4()), "status": "pending"}, status=202)


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, str]]:
    made, app = Server(), web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield made, f"http://{host}:{port}"
    await runner.cleanup()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "key.json"
    file.write_text(json.dumps(tokens._new_key()))
    return file


async def test_an_open_loop_reports_the_freeze_that_a_closed_loop_hides(
    tmp_path: Path, key: Path, server: tuple[Server, str]
) -> None:
    made, url = server
    quiet = {"mix": {"watched": 0, "cancelled": 0, "timelines": 0, "browses_per_order": 0}}
    load = plan(tmp_path, phases=(Phase(PER_SECOND, SECONDS),), customers=5, **quiet)
    generator = asyncio.create_task(locust(load, url, key))
    await made.started.wait()
    closed, _ = await asyncio.gather(closed_loop(url), generator)

    requests = record.requests(tmp_path)
    opened = [request.seconds for request in requests]
    seconds = record.seconds(tmp_path)
    assert len(requests) == sum(second.due for second in seconds)
    assert sum(second.dropped for second in seconds) == 0
    assert percentile(opened, 95) > 1.0
    assert percentile(closed, 95) < percentile(opened, 95) / 5


async def locust(load: Plan, url: str, key: Path) -> None:
    """The generator itself, as `make load` starts it."""
    environment = {VARIABLE: str(load.write()), "TOKEN_SIGNING_KEY": str(key), "PATH": ""}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--host", url, "--headless", "-u", "1"),
        *("--only-summary", "--exit-code-on-error", "0"),
        env=environment,
    )
    assert await asyncio.wait_for(process.wait(), 60) == 0


async def closed_loop(url: str) -> list[float]:
    """Clients who send the next request when the last one is answered."""
    until = time.monotonic() + SECONDS
    found = []

    async def client(http: aiohttp.ClientSession) -> None:
        while time.monotonic() < until:
            began = time.monotonic()
            async with http.post(f"{url}/orders"):
                found.append(time.monotonic() - began)
            await asyncio.sleep(0.005)  # leaves the processor to the other generator

    async with aiohttp.ClientSession() as http:
        await asyncio.gather(*(client(http) for _ in range(CLIENTS)))
    return found
