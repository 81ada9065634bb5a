"""Whether this machine can run the Compose stack; each reason why not is one sentence that says what to do."""

import re

from compose import docker
from native.errors import StackError

LEAST_COMPOSE = (2, 24)  # several --env-file, and build secrets
LEAST_BYTES = 3 * 1024**3  # the stack takes one, its building and its load the rest
PATIENCE_SECONDS = 5.0
NATIVE = "or use RUNTIME=native"


def refuse_unfit() -> str:
    """Raises `StackError` naming what is missing; returns what answers, in words."""
    return f"{_engine()} and {_compose()}"


def _engine() -> str:
    try:
        answer = docker.run("info", "--format", "{{.ServerVersion}}\t{{.MemTotal}}", timeout_seconds=PATIENCE_SECONDS)
    except StackError as error:
        if "no docker command" in str(error):
            raise
        raise StackError(f"no Docker engine answers ({error}): start it, {NATIVE}") from None
    version, _, memory = answer.strip().partition("\t")
    if not version:
        raise StackError(f"no Docker engine answers: start it, {NATIVE}")
    if memory.isdigit() and int(memory) < LEAST_BYTES:
        raise StackError(
            f"the Docker engine has {int(memory) / 1024**3:.1f} GiB of memory, the stack needs"
            f" {LEAST_BYTES >> 30} GiB: give it more (Docker Desktop: Settings, Resources), {NATIVE}"
        )
    return f"Docker engine {version}"


def _compose() -> str:
    try:
        text = docker.run("compose", "version", "--short", timeout_seconds=PATIENCE_SECONDS).strip()
    except StackError:
        raise StackError(f"docker has no Compose plugin: install docker-compose-plugin, {NATIVE}") from None
    found = re.match(r"v?(\d+)\.(\d+)", text)
    if found and (int(found[1]), int(found[2])) < LEAST_COMPOSE:
        least = ".".join(map(str, LEAST_COMPOSE))
        raise StackError(f"Compose {text} is too old: install {least} or newer, {NATIVE}")
    return f"Compose {text.removeprefix('v')}"
