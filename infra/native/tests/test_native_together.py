"""Nothing outlives the Patroni that started it: a primary that nobody watches would acknowledge what is thrown away."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from native import processes, together

Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A node's directory, with a program in it that is called like the server."""
    shutil.copy("/bin/sleep", tmp_path / "postgres")
    return tmp_path


@pytest.fixture
def start(directory: Path) -> Iterator[Start]:
    """Starts what starts a server as Patroni does: through somebody who then ends, and in a session of its own."""
    patroni = f"(cd {directory} && setsid ./postgres 600 &); exec sleep 600"
    started: list[subprocess.Popen[bytes]] = []

    def start() -> "subprocess.Popen[bytes]":
        words = [sys.executable, together.__file__, str(directory), "/bin/sh", "-c", patroni]
        started.append(subprocess.Popen(words))
        until(lambda: bool(servers := together.left_in(directory)) and serves(started[-1].pid, servers))
        return started[-1]

    def serves(pid: int, servers: list[int]) -> bool:
        return set(servers) < set(tree := processes.tree(pid)) and len(tree) == 3

    yield start
    for process in started:
        if process.poll() is None:
            processes.kill(process.pid)
        process.wait(10)
    together.kill(together.left_in(directory))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 10 s"
        time.sleep(0.01)


def test_the_server_is_below_it_and_can_be_killed_and_frozen_with_it(start: Start, directory: Path) -> None:
    assert set(together.left_in(directory)) < set(processes.tree(start().pid))


def test_the_server_dies_with_a_command_that_is_killed(start: Start, directory: Path) -> None:
    process = start()
    command = next(pid for pid in together.children_of(process.pid) if pid not in together.left_in(directory))
    processes.send([command], signal.SIGKILL)
    assert process.wait(10) == 128 + signal.SIGKILL
    assert together.left_in(directory) == []


def test_a_stop_is_the_commands_to_do(start: Start, directory: Path) -> None:
    process = start()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 128 + signal.SIGTERM
    assert together.left_in(directory) == []


def test_what_is_left_when_it_is_killed_itself_ends_before_the_next_start(start: Start, directory: Path) -> None:
    first = start()
    orphans = together.left_in(directory)
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    second = start()
    assert processes.wait_gone(orphans, 10) == []
    assert together.left_in(directory) != []
    assert set(together.left_in(directory)) < set(processes.tree(second.pid))
