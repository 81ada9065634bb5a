"""The project that has come up: which servers these are, what the demonstration shows, and what it costs at rest."""

import asyncio
import os
import subprocess
import time

import pytest

from compose import Project
from containers.live.conftest import inside, memory, say
from native.layout import CHECKOUT, PYTHON
from native.ports import HOST
from observe.preview import Prometheus
from observe.preview.prometheus import Series
from outside.waiting import eventually

SCRAPED_SECONDS = 30


def test_rabbitmq_4_and_postgresql_17_run(project: Project, request: pytest.FixtureRequest) -> None:
    rabbitmq = inside(project, "rabbitmq", "rabbitmqctl", "version").stdout.strip()
    postgres = project.sql("SHOW server_version")
    say(request, f"RabbitMQ {rabbitmq}, PostgreSQL {postgres}")
    assert rabbitmq.startswith("4.")
    assert postgres.startswith("17.")


def test_the_demonstration_ends_with_every_invariant_holding(project: Project) -> None:
    demo = subprocess.run(
        [PYTHON, "-m", "demo", "--stack", project.name], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "every invariant holds" in demo.stdout
    assert "expired" in demo.stdout


def test_every_component_says_that_it_is_ready(project: Project, request: pytest.FixtureRequest) -> None:
    for name in project.components:  # the demonstration has broken some
        project.wait_ready(name)
    say(request, "\n".join(f"{name:<22}{used}" for name, used in memory(project).items()))


async def test_prometheus_reaches_everything_that_has_metrics(project: Project) -> None:
    await eventually(lambda: told(project, "up == 0"), lambda found: not found, seconds=SCRAPED_SECONDS)


async def test_the_demonstrations_verdict_is_shown(project: Project) -> None:
    found = await eventually(lambda: told(project, "verify_invariant_violations"), len, seconds=SCRAPED_SECONDS)
    assert {series.values[0] for series in found} == {0.0}


async def test_what_is_broken_by_hand_is_shown_until_it_is_over(project: Project) -> None:
    frozen = 'faults_active{fault="freeze", target="redis-exporter"}'
    by_hand(project, "freeze", "redis-exporter")
    await eventually(lambda: told(project, frozen), len, seconds=SCRAPED_SECONDS)
    by_hand(project, "resume", "redis-exporter")
    await eventually(lambda: told(project, frozen), lambda found: not found, seconds=SCRAPED_SECONDS)
    by_hand(project, "kill", "redis-exporter")
    killed = 'max_over_time(faults_active{fault="kill", target="redis-exporter"}[5m])'
    await eventually(lambda: told(project, killed), len, seconds=SCRAPED_SECONDS)


def by_hand(project: Project, *words: str) -> None:
    """As `make` does it."""
    environment = {**os.environ, "STACK": project.name}
    subprocess.run([PYTHON, "-m", "runtime", *words], cwd=CHECKOUT, env=environment, check=True)


def asked(project: Project, query: str) -> list[Series]:
    """What Prometheus answers now."""
    return Prometheus(f"http://{HOST}:{project.port('PROMETHEUS_PORT')}").at(query, time.time())


async def told(project: Project, query: str) -> list[Series]:
    """The same, to wait for."""
    return await asyncio.to_thread(asked, project, query)
