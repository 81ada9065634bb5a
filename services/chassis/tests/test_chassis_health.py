"""The internal port, and a server as a part of a service."""

import asyncio
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from chassis_kit import eventually
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from chassis.health import internal_app
from chassis.serving import Server
from native.ports import ASIDE, free_base


async def started(server: Server) -> bool:
    return server.started


@pytest.fixture
async def unready() -> AsyncIterator[tuple[list[str], aiohttp.ClientSession]]:
    """What keeps a service from being ready, and a client of its internal port."""
    missing: list[str] = []
    server = Server(internal_app(lambda: missing), "127.0.0.1", 0)
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: started(server))
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port_of(server)}") as http:
        yield missing, http
    server.should_exit = True
    await serving


def port_of(server: Server) -> int:
    return int(server.servers[0].sockets[0].getsockname()[1])


async def test_readiness_names_what_is_missing_and_health_does_not_care(
    unready: tuple[list[str], aiohttp.ClientSession],
) -> None:
    missing, http = unready
    async with http.get("/readyz") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ready", "missing": []})
    missing += ["database", "broker"]
    async with http.get("/readyz") as answer:
        assert (answer.status, (await answer.json())["missing"]) == (503, ["database", "broker"])
    async with http.get("/healthz") as answer:
        assert answer.status == 200


async def test_every_metric_is_described(unready: tuple[list[str], aiohttp.ClientSession]) -> None:
    async with unready[1].get("/metrics") as answer:
        assert answer.status == 200
        text = await answer.text()
    ours = [line for line in text.splitlines() if line.startswith("# HELP") and "outbox" in line]
    assert len(ours) >= 4
    assert all(len(line.split(" ", 3)[3]) > 10 for line in ours)


async def test_a_taken_port_is_told_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SystemExit, match=f"{port}: Address already in use; free the port"):
            await Server(Starlette(), "127.0.0.1", port).serve()


async def test_a_request_under_way_is_answered_when_the_server_stops() -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Request) -> JSONResponse:
        reached.set()
        await go_on.wait()
        return JSONResponse("done")

    server = Server(Starlette(routes=[Route("/", slow)]), "127.0.0.1", free_base(ASIDE))
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: started(server))
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port_of(server)}") as http:
        asking = asyncio.create_task(http.get("/"))
        await reached.wait()
        server.should_exit = True
        go_on.set()
        assert await (await asking).json() == "done"
    await serving
