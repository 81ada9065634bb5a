"""What `docker compose` makes of the file: these tests need its command line, and no engine."""

import json
import os
import shutil
import subprocess
from typing import Any

import pytest

from native.layout import CHECKOUT

Document = dict[str, Any]


def compose_config(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`docker compose config` in an environment of its own."""
    if shutil.which("docker") is None or _fails("docker", "compose", "version"):
        pytest.skip("there is no docker compose command here: make test-compose installs one")
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables}
    command = ["docker", "compose", *options, "config", "--format", "json"]
    return subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def config() -> Document:
    """The file with all that is optional; nothing else is set."""
    done = compose_config("--profile", "*", OTLP_ENDPOINT="http://tempo:4318")
    assert done.returncode == 0, done.stderr
    document: Document = json.loads(done.stdout)
    return document


@pytest.fixture(scope="session")
def services(config: Document) -> dict[str, Document]:
    """Its services by name."""
    found: dict[str, Document] = config["services"]
    return found


def _fails(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode != 0
