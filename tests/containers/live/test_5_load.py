"""The load test's web UI with two workers: it sends what was asked for, Prometheus sees it, and verify agrees."""

import asyncio
import subprocess
from pathlib import Path

import aiohttp
import pytest

from compose import Project
from containers.live.conftest import compose, inside
from native.layout import CHECKOUT, PYTHON
from native.ports import HOST
from outside.waiting import eventually

ORDERS_A_SECOND, ENOUGH = 4, 40
PROFILE = ("--profile", "loadtest")
OFFERED = "http://127.0.0.1:9090/api/v1/query?query=count(loadtest_requests_offered_total%3E0)"


@pytest.fixture
def ui(project: Project) -> "object":
    """The web UI's address, with two workers behind it."""
    done = compose(project, *PROFILE, "up", "--detach", "--wait", "--build", "--scale", "loadtest-worker=2")
    assert done.returncode == 0, done.stderr
    yield f"http://{HOST}:{project.port('LOADTEST_PORT')}"
    compose(project, *PROFILE, "rm", "--stop", "--force", "loadtest", "loadtest-worker")


async def test_two_workers_send_what_the_web_ui_is_asked_for(
    project: Project, ui: str, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async def sent() -> int:
        async with session.get(f"{ui}/stats/requests") as answer:
            return int((await answer.json())["stats"][-1]["num_requests"])

    async def scraped() -> str:
        return (await asyncio.to_thread(inside, project, "prometheus", "wget", "-q", "-O", "-", OFFERED)).stdout

    wish = {"user_count": ORDERS_A_SECOND, "spawn_rate": ORDERS_A_SECOND, "load_profile": "surge"}
    async with session.post(f"{ui}/swarm", data=wish) as answer:
        assert (await answer.json())["success"]
    await eventually(sent, lambda requests: requests > ENOUGH)
    await eventually(scraped, lambda text: ',"2"]' in text)
    async with session.post(f"{ui}/stop") as answer:
        assert (await answer.json())["success"]

    words = [str(PYTHON), "-m", "verify", "--stack", project.name, "--told", str(told_by_all(project, tmp_path))]
    verify = await asyncio.to_thread(subprocess.run, words, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert verify.returncode == 0, verify.stdout + verify.stderr
    assert "told: 0 keys" not in verify.stdout


def told_by_all(project: Project, directory: Path) -> Path:
    """What all workers were told, in one file."""
    assert compose(project, *PROFILE, "cp", "loadtest-worker:/data", str(directory)).returncode == 0
    told = directory / "told.jsonl"
    told.write_text("".join(file.read_text() for file in directory.glob("data/*/told.jsonl")))
    return told
