"""Coordinated omission: against a server that stands still, only who does not wait for it sees that it did."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web
from load_kit import plan

from load import record
from load.arrivals import Phase
from load.plan import VARIABLE
from load.results import PLACE
from load.run import LOCUSTFILE
from load.statistics import percentile
from native import tokens
from native.ports import ASIDE, free_base
from verify import told

SECONDS, FROZEN_FROM, FROZEN_UNTIL = 10.0, 3.0, 6.0
PER_SECOND = 20.0
USERS = 5
CLIENTS = 4


class Server:
    """Takes every order at once, except that it stands still for three of ten seconds from `start` on."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self._first = 0.0

    async def answer(self, request: web.Request) -> web.Response:
        """As the shop would."""
        if request.method == "PUT":  # the shelf is filled before anything begins
            return web.json_response({})
        if not self.started.is_set():
            self._first = time.monotonic()
            self.started.set()
        since = time.monotonic() - self._first
        if FROZEN_FROM <= since < FROZEN_UNTIL:
            await asyncio.sleep(FROZEN_UNTIL - since)
        return web.json_response({"id": str(uuid4()), "status": "pending"}, status=202)


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Server, str]]:
    """One, and its address."""
    made, app = Server(), web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield made, "http://{}:{}".format(*runner.addresses[0][:2])
    await runner.cleanup()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "key.json"
    file.write_text(json.dumps(tokens.new_key()))
    return file


async def test_an_open_loop_reports_the_freeze_that_a_closed_loop_hides(tmp_path: Path, key: Path) -> None:
    quiet = {"mix": {"watched": 0, "cancelled": 0, "timelines": 0, "browses_per_order": 0}}
    load = plan(tmp_path, phases=(Phase(PER_SECOND, SECONDS),), customers=5, **quiet)
    ui = {"LOADTEST_DIRECTORY": str(tmp_path / "ui"), "LOAD_METRICS_PORT": str(free_base(ASIDE))}
    rate = (*("-u", str(USERS), "-r", str(USERS)), *("-t", f"{SECONDS:.0f}s"))
    async with serving() as (server, url), serving() as (_, other):
        generators = asyncio.gather(
            locust(url, key, LOCUSTFILE, "-u", "1", **{VARIABLE: str(load.write())}),
            locust(other, key, LOCUSTFILE.with_name("web.py"), *rate, **ui),
        )
        await server.started.wait()
        closed, _ = await asyncio.gather(closed_loop(url), generators)

    due = accounted(tmp_path)
    assert percentile(due, 95) > 1.0
    assert percentile(closed, 95) < percentile(due, 95) / 5

    (directory,) = await asyncio.to_thread(list, (tmp_path / "ui").iterdir())
    assert percentile(accounted(directory), 95) > 1.0  # an order a second for each user, who waited for nobody
    keys = [line.key for line in told.read(directory / record.TOLD)]
    assert len(keys) == len(set(keys)) > USERS * SECONDS / 2


def accounted(directory: Path) -> list[float]:
    """How long those who placed an order waited; everybody who was due was let in."""
    seconds = record.seconds(directory)
    assert sum(second.dropped for second in seconds) == 0
    requests = record.requests(directory)
    assert len({request.visit for request in requests}) <= sum(second.due for second in seconds)
    return [request.seconds for request in requests if request.name == PLACE]


async def locust(url: str, key: Path, file: Path, *words: str, **environment: str) -> None:
    """A generator, as `make load` or the web UI's container starts it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "locust", "-f", str(file), "--host", url, "--headless", *words),
        *("--only-summary", "--exit-code-on-error", "0"),
        env={"TOKEN_SIGNING_KEY": str(key), "PATH": "", **environment},
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
