"""Mistakes on the command line are one sentence and exit status 1, never a traceback."""

import os
import subprocess
from pathlib import Path

import pytest

from native.errors import StackError
from native.layout import CHECKOUT, PYTHON, SOCKET_PATH_BYTES, Layout


def native(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "QUICKSAND_STATE": str(state), "STACK": "unit", "BASE_PORT": ""}
    command: list[str | Path] = [PYTHON, "-m", "native", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["status"], "'unit' does not run: start it with: make up STACK=unit"),
        (["kill", "order"], "'unit' does not run: start it with: make up STACK=unit"),
        (["env"], "there is no stack 'unit': start it with: make up STACK=unit"),
        (["up", "--stack", "No Name"], "'No Name' is no name for a stack"),
        (["up", "--set", "order"], "'order' is no setting"),
        (["up", "--replicas", "9"], "9 replicas cannot be"),
        (["up", "--base-port", "web"], "BASE_PORT=web is no port"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    result = native(tmp_path, *arguments)
    assert result.returncode == 1
    assert result.stderr.startswith(sentence)
    assert "Traceback" not in result.stderr


def test_taking_down_what_never_was_up_is_fine(tmp_path: Path) -> None:
    result = native(tmp_path, "down")
    assert (result.returncode, result.stdout) == (0, "'unit' is down\n")
    assert not (tmp_path / "unit").exists()


def test_a_state_directory_too_long_for_a_socket_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICKSAND_STATE", "/" + "x" * SOCKET_PATH_BYTES)
    with pytest.raises(StackError, match="set QUICKSAND_STATE to a shorter one"):
        Layout.of("unit")


def test_make_names_the_missing_component() -> None:
    result = subprocess.run(["make", "kill"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "which component? make kill C=payment" in result.stderr


def test_make_help_shows_every_target() -> None:
    shown = subprocess.run(["make", "help"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    targets = ("up", "down", "status", "logs", "demo", "verify", "test", "lint", "types", "bench", "kill", "failover")
    for target in targets:
        assert f"make {target}" in shown
