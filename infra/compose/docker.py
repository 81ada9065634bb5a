"""Docker's command line: every call bounded, every failure one sentence."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from native.errors import StackError
from native.layout import CHECKOUT

TIMEOUT_SECONDS = 60.0


def run(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
    stdin: str | None = None,
) -> str:
    """What `docker <arguments>` prints. Raises `StackError` with its own last words if it fails."""
    command = [_binary(), *arguments]
    try:
        done = subprocess.run(  # noqa: S603  words, not a shell's line
            command,
            cwd=CHECKOUT,
            env=environment,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_seconds,
        )
    except subprocess.TimeoutExpired:
        raise StackError(f"docker {arguments[0]} did not end within {timeout_seconds:.0f} s: see docker info") from None
    if done.returncode != 0:
        raise StackError(f"docker {arguments[0]} failed: {last_words(done.stderr)}")
    return done.stdout


def both(*arguments: str) -> str:
    """What it prints on either stream, whether or not it fails."""
    done = subprocess.run(  # noqa: S603  likewise
        [_binary(), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.stdout


def show(*arguments: str, environment: Mapping[str, str] | None = None) -> int:
    """Run `docker <arguments>` on this terminal; its exit status."""
    return subprocess.run(  # noqa: S603  likewise
        [_binary(), *arguments], cwd=CHECKOUT, env=environment, check=False
    ).returncode


def rows(*arguments: str) -> list[dict[str, Any]]:
    """What a listing command prints with `--format json`, one object a line."""
    return [json.loads(line) for line in run(*arguments, "--format", "{{json .}}").splitlines() if line]


def last_words(text: str) -> str:
    """The last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it does not say why")


def _binary() -> str:
    binary = shutil.which("docker")
    if binary is None:
        raise StackError(
            "there is no docker command here: install Docker with its Compose plugin, or use RUNTIME=native"
        )
    return binary
