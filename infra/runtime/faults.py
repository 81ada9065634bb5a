"""What is broken on purpose from the command line is told to Prometheus, and is a band behind every panel.

freeze, stop                last until resume, start, restart or kill
kill, restart, failover     last until the component serves again, and for a scrape at least
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from meters import faults
from native import Stack, StackError
from native.ports import HOST
from runtime.choice import Running, kind, running

COMMANDS = ("kill", "freeze", "resume", "restart", "stop", "start", "failover")
LASTING = ("freeze", "stop")
SHOWN_SECONDS = 6  # Prometheus asks every five: what is shorter might never be seen


def perform(stack: Running, words: Sequence[str]) -> int:
    """Do what was asked, `kill payment`, and tell of it. Returns the exit status."""
    command, component = words[0], words[1] if len(words) > 1 else "postgres"
    gateway = _gateway(stack)
    try:
        if command in LASTING:
            _run(stack, words)
            told = faults.begin(gateway, command, component)
        elif command in ("resume", "start"):
            _run(stack, words)
            told = _over(gateway, component)
        else:
            with _shown(gateway, command, component) as told:
                _run(stack, words)
                if command == "kill":
                    _wait(stack, component)
            _over(gateway, component)
    except subprocess.CalledProcessError as error:
        return error.returncode  # it has said why
    if not told:
        where = gateway or f"'{stack.name}'"
        print(f"no Pushgateway answers at {where}: dashboards will not show this fault", file=sys.stderr)
    return 0


def forget(name: str) -> None:
    """Whatever was at work in this stack is over: it goes down, or comes up anew. Nothing, where it does not run."""
    try:
        faults.end_all(_gateway(running(name)))
    except StackError:
        return


@contextmanager
def _shown(gateway: str, command: str, component: str) -> Iterator[bool]:
    began = time.monotonic()
    with faults.fault(gateway, command, component) as told:
        yield told
        if told:
            time.sleep(max(0.0, began + SHOWN_SECONDS - time.monotonic()))


def _over(gateway: str, component: str) -> bool:
    return all([faults.end(gateway, fault, component) for fault in LASTING])  # noqa: C419  each of them, whatever the first one says


def _run(stack: Running, words: Sequence[str]) -> None:
    subprocess.run([sys.executable, "-m", kind(stack), *words], check=True)  # noqa: S603  our own programs


def _wait(stack: Running, component: str) -> None:
    began = time.monotonic()
    stack.wait_ready(component)
    print(f"{component}: serves again after {time.monotonic() - began:.1f} s", flush=True)


def _gateway(stack: Running) -> str:
    """Its address; nothing, where the stack has none."""
    try:
        port = stack.ports["pushgateway"] if isinstance(stack, Stack) else stack.port("PUSHGATEWAY_PORT")
    except StackError:
        return ""
    return f"http://{HOST}:{port}"
