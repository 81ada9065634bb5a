"""A service that cannot start says in one sentence what is wrong and what to do about it, and ends."""

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from native import Stack
from native.environment import of_component
from native.layout import PYTHON
from native.ports import HOST, free_base

LIMIT_SECONDS = 60  # most of it for a machine that is busy with other things
EMPTY = "alone_empty"
ADDRESSES = ("QS_DATABASE_HOSTS", "QS_SECRETS_DIR")  # all that a migration is told


@dataclass(frozen=True)
class Mistake:
    """Settings changed, or missing where they are None, and what the sentence must hold: what, and what to do."""

    changes: dict[str, str | None]
    says: tuple[str, ...]
    service: str = "order"
    command: str = "serve"


MISTAKES = {
    "a setting is missing": Mistake({"QS_BROKER_HOST": None}, ("QS_BROKER_HOST", "is not set")),
    "a setting of its own is missing": Mistake(
        {"QS_PROVIDER_URL": None}, ("QS_PROVIDER_URL", "is not set"), service="payment"
    ),
    "the secrets are missing": Mistake(
        {"QS_SECRETS_DIR": "/nowhere"},
        ("QS_DATABASE_PASSWORD", "QS_BROKER_PASSWORD", "a file 'broker_password' in QS_SECRETS_DIR"),
    ),
    "a setting is unknown": Mistake({"QS_ORDER_TTL": "5"}, ("QS_ORDER_TTL", "remove it or correct its spelling")),
    "a setting is malformed": Mistake({"QS_DATABASE_HOSTS": "localhost"}, ("QS_DATABASE_HOSTS", "host:port")),
    "two settings contradict each other": Mistake(
        {"QS_EFFECT_LEASE_SECONDS": "8"},
        ("effect_lease_seconds must be less than charge_give_up_seconds",),
        service="payment",
    ),
    "the port is taken": Mistake({"QS_HTTP_PORT": "{order}"}, (f"{HOST}:{{order}}", "free the port or choose another")),
    "the internal port is taken": Mistake(
        {"QS_INTERNAL_PORT": "{order}"}, (f"{HOST}:{{order}}", "free the port or choose another")
    ),
    "the database is not migrated": Mistake(
        {
            "QS_DATABASE_NAME": EMPTY,
            "QS_DATABASE_USER": "postgres",
            "QS_DATABASE_PASSWORD": "",
            "QS_DATABASE_HOSTS": "{socket}:{postgres}",
        },
        ("is not migrated", "run python -m chassis migrate order"),
    ),
    "a queue is missing": Mistake(
        {"QS_PARTITIONS": "5"}, ("queue 'order.p04'", "vhost 'payments'", "python -m topology apply")
    ),
    "the database's password is wrong": Mistake({"QS_DATABASE_PASSWORD": "wrong"}, ("orders", "password")),
    "the broker's password is wrong": Mistake({"QS_BROKER_PASSWORD": "wrong"}, (f"{HOST}:{{rabbitmq}}", "password")),
    "a migration's secret is missing": Mistake(
        {"QS_SECRETS_DIR": "/nowhere"}, ("QS_OWNER_PASSWORD", "is not set"), command="migrate"
    ),
    "a migration's password is wrong": Mistake(
        {"QS_OWNER_PASSWORD": "wrong"}, ("orders", "password"), command="migrate"
    ),
}


Ended = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def places(stack: Stack) -> dict[str, object]:
    """What the settings and the sentences may name."""
    return {
        "order": stack.ports["order"],
        "rabbitmq": stack.ports["rabbitmq"],
        "postgres": stack.ports["postgres-primary"],
        "socket": stack.layout.postgres_socket("postgres-primary"),
    }


@pytest.fixture(scope="module")
def empty_database(stack: Stack) -> Iterator[None]:
    """A database in which nothing was migrated."""
    stack.sql(f"DROP DATABASE IF EXISTS {EMPTY} WITH (FORCE)")
    stack.sql(f"CREATE DATABASE {EMPTY}")
    yield
    stack.sql(f"DROP DATABASE {EMPTY} WITH (FORCE)")


@pytest.fixture(scope="module")
def started(stack: Stack, places: dict[str, object], empty_database: None) -> Iterator[dict[str, "Future[Ended]"]]:
    """Every mistake made, as many at a time as there are processors: mostly they import what they need."""
    base = free_base()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        yield {
            name: threads.submit(start, mistake, settings(stack, mistake, base + 2 * number, places))
            for number, (name, mistake) in enumerate(MISTAKES.items(), start=1)
        }


def settings(stack: Stack, mistake: Mistake, port: int, places: dict[str, object]) -> dict[str, str]:
    """What the stack would tell it, changed by the mistake."""
    given: dict[str, str | None] = dict(of_component(stack, mistake.service))
    if mistake.command == "migrate":
        given = {name: given[name] for name in ADDRESSES}
    else:
        given |= {"QS_HTTP_PORT": str(port), "QS_INTERNAL_PORT": str(port + 1)}
    given |= mistake.changes
    return {name: value.format(**places) for name, value in given.items() if value is not None}


def start(mistake: Mistake, variables: dict[str, str]) -> Ended:
    """Run it to its end."""
    return subprocess.run(
        [PYTHON, "-m", "chassis", mistake.command, mistake.service],
        env={"PATH": os.environ["PATH"], **variables},
        cwd=Path("/"),
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_ends_the_start_with_one_sentence_that_names_it(
    name: str, started: dict[str, "Future[Ended]"], places: dict[str, object]
) -> None:
    ended = started[name].result()

    said = [line for line in (ended.stdout + ended.stderr).splitlines() if not line.startswith("{")]
    assert ended.returncode == 1, said
    assert len(said) == 1, "\n".join(said)
    for part in MISTAKES[name].says:
        assert part.format(**places) in said[0]
