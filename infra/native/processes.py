"""Process trees, read from /proc: to kill and freeze a component with everything it started.

A signal to the process group is not enough: every PostgreSQL backend is a group of its own.
"""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
MARK = "QUICKSAND_SUPERVISED"
TITLED = ("postgres", "redis-server")


def tree(pid: int) -> list[int]:
    """The process and all its descendants, parents first."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents().items():
        children.setdefault(parent, []).append(child)
    found = [pid]
    for process in found:
        found.extend(children.get(process, []))
    return found


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal each one; those already gone are what was wanted, or no longer matter."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def freeze(pid: int) -> list[int]:
    """Stop the whole tree, and again until it has not grown: a child may have been born while we looked."""
    frozen: list[int] = []
    while (now := tree(pid)) != frozen:
        send(now, signal.SIGSTOP)
        frozen = now
    return frozen


def kill(pid: int) -> None:
    """SIGKILL the whole tree at one instant, as a machine that loses power: frozen first, so that nobody reacts."""
    send(reversed(freeze(pid)), signal.SIGKILL)


def resume(pid: int) -> None:
    """Let a frozen tree go on."""
    send(tree(pid), signal.SIGCONT)


def is_frozen(pid: int) -> bool:
    """Whether the process is stopped by a signal."""
    return _stat(pid)[:1] == ["T"]


def of_directory(directory: Path) -> list[int]:
    """Every process that was started for the stack in `directory`, even one that left its parent and group.

    It carries MARK in its environment. PostgreSQL and Redis write their titles over that and are known by where they
    work.
    """
    mark = f"{MARK}={directory}".encode()
    return [pid for pid in _pids() if mark in _environment(pid) or _is_titled_in(pid, directory)]


def wait_gone(pids: Iterable[int], timeout_seconds: float) -> list[int]:
    """Wait until they are gone; returns those that are not."""
    deadline = time.monotonic() + timeout_seconds
    left = list(pids)
    while (left := [pid for pid in left if _stat(pid)[:1] not in ([], ["Z"])]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def _pids() -> list[int]:
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def _parents() -> dict[int, int]:
    stats = {pid: _stat(pid) for pid in _pids()}
    return {pid: int(stat[1]) for pid, stat in stats.items() if stat}


def _stat(pid: int) -> list[str]:
    """The fields after the name, which may itself hold blanks and brackets: state, parent, group, ..."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _is_titled_in(pid: int, directory: Path) -> bool:
    process = PROC / str(pid)
    try:
        titled = (process / "comm").read_text().strip() in TITLED
        return titled and (process / "cwd").readlink().is_relative_to(directory)
    except OSError:  # gone, or another user's
        return False


def _environment(pid: int) -> list[bytes]:
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []
