"""A project of the tests' own, on images that can be had: built without a registry where none answers.

KEEP_STACK=1 leaves it running, so that the next run starts at once.
"""

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from compose import Project, docker, engine
from native import StackError, free_base
from native.layout import CHECKOUT
from outside.books import Books, open_books

NAME = "quicksand-test"
CONNECTIONS = 500


@pytest.fixture(scope="session")
def project(request: pytest.FixtureRequest) -> Iterator[Project]:
    """Everything, up."""
    say(request, engine.refuse_unfit())
    project = Project(NAME, report=lambda line: say(request, line))
    if not project.running:
        project = Project(NAME, base_port=free_base(), report=lambda line: say(request, line))
        project.down(volumes=True)  # what a run that was broken off has left
    have_images(project)
    project.up()
    yield project
    if "KEEP_STACK" not in os.environ:
        project.down(volumes=True)
        assert not project.exists


@pytest.fixture(scope="session")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """One HTTP client for all."""
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(30)) as session:
        yield session


@pytest.fixture(scope="session")
async def books(project: Project) -> AsyncIterator[Books]:
    """The three databases."""
    async with open_books(project) as books:
        yield books


def have_images(project: Project) -> None:
    """Build the offline set where neither images nor a registry are there."""
    try:
        project.image_set  # noqa: B018  whether there is one
    except StackError:
        subprocess.run([CHECKOUT / "infra" / "offline" / "build"], env=project.environment(), check=True)


def inside(project: Project, component: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a component's container."""
    words = ["docker", "exec", project.find(component).id, *command]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def compose(project: Project, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`docker compose` for this project, on the images it runs on."""
    words = ["docker", "compose", *project.image_set.options, *arguments]
    environment = {**project.environment(), **variables}
    return subprocess.run(
        words, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def say(request: pytest.FixtureRequest, words: str) -> None:
    """To the terminal, at once, whatever is captured."""
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        print(f"\n{words}", end="", flush=True)


def memory(project: Project) -> dict[str, str]:
    """What each container uses now, in Docker's words."""
    names = {one.id[:12]: name for name, one in project.components.items()}
    return {names[row["ID"]]: row["MemUsage"] for row in docker.rows("stats", "--no-stream") if row["ID"] in names}


def told_file(directory: Path) -> Path:
    """Where clients' answers are kept."""
    file = directory / "told.jsonl"
    file.touch()
    return file
