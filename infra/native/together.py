"""Runs a command such that nothing it ever started outlives it: together.py <directory> <command> [argument...]

Patroni's postgres is not its child, and goes on without it: a primary that nobody watches, beside the one that was
promoted meanwhile, acknowledges what will be thrown away. Here whoever loses its parent becomes this process's child
(a "child subreaper", prctl(2)), and is killed when the command ends. Should this process itself be killed, the command
goes with it, and what is left at work in <directory> is killed before the next start.

Copied beside the configuration and run by the distribution's Python, as the server's user: it knows only the library.
"""

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
PROC = Path("/proc")
PROGRAMS = ("postgres", "pg_basebackup", "pg_rewind")
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(directory: Path, command: list[str]) -> int:
    """Returns the command's exit status."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    kill(left_in(directory))

    def go_with_parent() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    process = subprocess.Popen(command, preexec_fn=go_with_parent)  # noqa: PLW1509, S603  no threads; our own command
    for number in PASSED_ON:
        signal.signal(number, lambda number, _: os.kill(process.pid, number))
    status = reap_until(process.pid)
    while children := children_of(os.getpid()):
        kill(children)
        os.wait()  # their children are ours now
    return status


def reap_until(command: int) -> int:
    """Bury whoever dies, until it is the command; its exit status, as a shell tells it."""
    while True:
        pid, status = os.wait()
        if pid == command:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def children_of(parent: int) -> list[int]:
    """Who has this parent, read from /proc."""
    found = []
    for entry in PROC.glob("[0-9]*"):
        with suppress(OSError):  # gone meanwhile
            if entry.joinpath("stat").read_text().rpartition(")")[2].split()[1] == str(parent):
                found.append(int(entry.name))
    return found


def left_in(directory: Path) -> list[int]:
    """The server's programs at work in this directory, whoever their parent is."""
    found = []
    for entry in PROC.glob("[0-9]*"):
        with suppress(OSError):  # gone meanwhile, or another user's
            name = entry.joinpath("comm").read_text().strip()
            if name in PROGRAMS and entry.joinpath("cwd").readlink().is_relative_to(directory):
                found.append(int(entry.name))
    return found


def kill(pids: list[int]) -> None:
    """SIGKILL, all at one instant: frozen first, so that nobody reacts."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2:]))
