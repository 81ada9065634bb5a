"""The project that has come up: which servers these are, what the demonstration shows, and what it costs at rest."""

import subprocess

import pytest

from compose import Project
from containers.live.conftest import inside, memory, say
from native.layout import CHECKOUT, PYTHON


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
    assert [name for name, one in project.components.items() if not one.ready] == []
    say(request, "\n".join(f"{name:<22}{used}" for name, used in memory(project).items()))


def test_prometheus_reaches_everything_that_has_metrics(project: Project) -> None:
    answer = inside(
        project, "prometheus", "wget", "-q", "-O", "-", "http://127.0.0.1:9090/api/v1/query?query=up%3D%3D0"
    )
    assert '"result":[]' in answer.stdout, answer.stdout
