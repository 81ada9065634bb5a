"""Killing and freezing reach everything a process started, even what left its group."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from native import processes

# A parent whose child is a group and session of its own, as PostgreSQL's are; the child has a child too.
FAMILY = "setsid sh -c 'sleep 600 & wait' & wait"


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 10 s"
        time.sleep(0.01)


@pytest.fixture
def family(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Three generations, with the mark of a stack."""
    environment = {**os.environ, processes.MARK: str(tmp_path)}
    with subprocess.Popen(["sh", "-c", FAMILY], env=environment, start_new_session=True) as parent:
        until(lambda: len(processes.tree(parent.pid)) == 3)
        everyone = processes.tree(parent.pid)
        yield parent
        processes.send(everyone, signal.SIGKILL)


def test_a_tree_has_parents_before_children(family: subprocess.Popen[bytes]) -> None:
    found = processes.tree(family.pid)
    assert found[0] == family.pid
    assert len(found) == 3


def test_kill_leaves_nobody(family: subprocess.Popen[bytes]) -> None:
    everyone = processes.tree(family.pid)
    processes.kill(family.pid)
    assert family.wait(10) == -signal.SIGKILL
    assert processes.wait_gone(everyone, 10) == []


def test_freeze_stops_everybody_and_resume_lets_them_go_on(family: subprocess.Popen[bytes]) -> None:
    everyone = processes.freeze(family.pid)
    until(lambda: all(map(processes.is_frozen, everyone)))
    processes.resume(family.pid)
    until(lambda: not any(map(processes.is_frozen, everyone)))


def test_the_mark_finds_those_who_lost_their_parent(family: subprocess.Popen[bytes], tmp_path: Path) -> None:
    orphans = processes.tree(family.pid)[1:]
    processes.send([family.pid], signal.SIGKILL)
    family.wait(10)
    assert sorted(processes.of_directory(tmp_path)) == sorted(orphans)


def test_another_stacks_processes_are_not_ours(family: subprocess.Popen[bytes], tmp_path: Path) -> None:
    assert processes.of_directory(tmp_path / "other") == []
