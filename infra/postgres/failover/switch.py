"""A planned switchover: asked for, waited for, and timed."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from failover.node import FailoverError, Node

TIMEOUT_SECONDS = 60.0
POLL_SECONDS = 0.05
Report = Callable[[str], None]


def switch_over(nodes: Sequence[Node], password: str, report: Report, timeout_seconds: float = TIMEOUT_SECONDS) -> Node:
    """Let the synchronous standby lead; returns it when it accepts writes and the old primary follows synchronously.

    Commits that wait meanwhile are kept, connections to the old primary end. Raises `FailoverError`, and changes
    nothing, where there is no leader or no synchronous standby.
    """
    leader, standby = _pair(nodes)
    old, new = leader.name(), standby.name()
    report(f"{old} leads, {new} follows synchronously; {new} is to lead")
    started = time.monotonic()
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(leader.switch_over, old, new, password, timeout_seconds)
        _wait(standby.leads, asked, started + timeout_seconds, f"{new} does not lead")
        report(f"{new} leads after {time.monotonic() - started:.1f} s")
        _wait(leader.follows_synchronously, asked, started + timeout_seconds, f"{old} does not follow")
        report(f"a synchronous standby again, {old}, after {time.monotonic() - started:.1f} s")
    return standby


def _pair(nodes: Sequence[Node]) -> tuple[Node, Node]:
    names = [node.name() for node in nodes]  # also: everybody answers
    leaders = [node for node in nodes if node.leads()]
    if not leaders:
        raise FailoverError(f"none of {', '.join(names)} leads now: wait for one to do so, or read their logs")
    standbys = [node for node in nodes if node.follows_synchronously()]
    if not standbys:
        raise FailoverError(
            f"{leaders[0].name()} has no synchronous standby that could take over: wait until both nodes are healthy"
        )
    return leaders[0], standbys[0]


def _wait(reached: Callable[[], bool], asked: "Future[str]", deadline: float, complaint: str) -> None:
    while not reached():
        if asked.done() and (refusal := asked.result()):
            raise FailoverError(f"Patroni refused: {refusal}")
        if time.monotonic() > deadline:
            raise FailoverError(f"{complaint} after {TIMEOUT_SECONDS:.0f} s: read the logs of both nodes")
        time.sleep(POLL_SECONDS)
