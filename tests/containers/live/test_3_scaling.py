"""Three replicas of a service: the edge finds them, and does without one that dies."""

import asyncio
import time

import aiohttp
import pytest

from compose import Project, docker
from containers.live.conftest import compose, inside
from native.ports import HOST
from outside.waiting import eventually, lasted

READS = 60
DROPPED_SECONDS = 5.0


def servers_up(project: Project) -> int:
    """How many instances of the order service the edge takes for ready."""
    metrics = inside(project, "edge", "bash", "-c", METRICS).stdout
    return sum(
        line.startswith('haproxy_server_status{proxy="order"') and 'state="UP"' in line and line.endswith(" 1")
        for line in metrics.splitlines()
    )


METRICS = r"exec 3<>/dev/tcp/127.0.0.1/8404; printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3; cat <&3"


@pytest.fixture
def three(project: Project) -> "object":
    """Inside, the order service has three replicas."""
    done = compose(project, "up", "--detach", "--wait", "--no-recreate", "--scale", "order=3")
    assert done.returncode == 0, done.stderr
    yield project.instances("order")
    done = compose(project, "up", "--detach", "--wait", "--no-recreate", "--scale", "order=1")
    assert done.returncode == 0, done.stderr


async def test_the_edge_finds_three_replicas_and_does_without_a_dead_one(
    project: Project, three: list[str], session: aiohttp.ClientSession
) -> None:
    url = f"http://{HOST}:{project.port('EDGE_PORT')}/products"
    assert three == ["order", "order-2", "order-3"]
    await eventually(lambda: asyncio.to_thread(servers_up, project), lambda up: up == 3)

    docker.run("kill", project.find("order-3").id)
    killed = time.monotonic()
    for _ in range(READS):  # while the edge does not know it yet
        async with session.get(url) as answer:
            assert answer.status == 200
    known = lasted(lambda: asyncio.to_thread(servers_up, project), lambda up: up == 2, since=killed)
    assert await known < DROPPED_SECONDS
