"""The web UI's generator: a Locust user is an order a second, whatever the shop does."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web

from load import record
from load.run import LOCUSTFILE
from native import free_base, tokens
from verify import told

ORDERS_A_SECOND, SECONDS, ANSWER_SECONDS = 50, 2, 1.2
VISITS_PER_ORDER = 2


async def slow(request: web.Request) -> web.Response:
    """The shop, which fills its shelf at once and needs long for everything else."""
    if request.method != "PUT":
        await asyncio.sleep(ANSWER_SECONDS)
    return web.json_response({"id": str(uuid4()), "status": "pending"}, status=202)


@pytest.fixture
async def shop() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", slow)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield "http://{}:{}".format(*runner.addresses[0][:2])
    await runner.cleanup()


async def test_a_user_is_an_order_a_second_however_slow_the_shop(tmp_path: Path, shop: str) -> None:
    key = tmp_path / "key.json"
    key.write_text(json.dumps(tokens._new_key()))
    environment = {
        **{name: value for name, value in os.environ.items() if name != "STACK"},
        "TOKEN_SIGNING_KEY": str(key),
        "LOADTEST_DIRECTORY": str(tmp_path / "data"),
        "LOAD_METRICS_PORT": str(free_base()),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE.with_name("web.py")), "--host", shop, "--headless"),
        *("-u", str(ORDERS_A_SECOND), "-r", str(ORDERS_A_SECOND), "-t", str(SECONDS), "--only-summary"),
        env=environment,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await asyncio.wait_for(process.communicate(), 60)
    (directory,) = (tmp_path / "data").iterdir()

    due = sum(second.due for second in record.seconds(directory))
    expected = ORDERS_A_SECOND * VISITS_PER_ORDER * SECONDS
    assert 0.75 * expected < due < 1.5 * expected, said.decode()  # who waited would have let half in
    keys = [line.key for line in told.read(directory / record.TOLD)]
    assert len(keys) == len(set(keys)) > 0
