"""Crash points: places where a process can be told to die or to freeze, so that tests prove what happens then.

`FAULT=crash:<point>:<n>` ends the process hard (SIGKILL) at its n-th pass of the point, `freeze:` stops it (SIGSTOP).
Unset, which is the only thing production accepts, a point costs one comparison. The idea is FreeBSD's *failpoints*.
"""

import os
import signal

POINTS = {
    "http.before_commit": "a command's rows are written, nothing is committed",
    "http.after_commit": "a command is committed, the relay is not woken and the client has no answer",
    "relay.after_fetch": "the relay has read a batch and sent nothing",
    "relay.after_send": "an event was sent, the broker's confirm has not arrived",
    "relay.after_confirm": "a batch is confirmed, not flagged",
    "relay.after_flag": "a batch is flagged, the flag is not committed",
    "consumer.after_inbox": "a batch's ids are in the inbox, no handler has run",
    "consumer.before_commit": "a batch is handled, not committed",
    "consumer.after_commit": "a batch is committed, not acknowledged",
    "consumer.after_ack": "a batch is acknowledged",
    "effects.after_claim": "an effect is claimed, the call is not made",
    "effects.after_answer": "the other side has answered, the result is not written",
    "effects.before_commit": "results are written, not committed",
    "sweeper.before_commit": "expired orders are cancelled, not committed",
    "settlement.before_commit": "a day's settlement is written, not committed",
    "topology.after_first": "the topology job has declared one section of many",
}

ACTIONS = {"crash": signal.SIGKILL, "freeze": signal.SIGSTOP}


class Fault:
    """One armed fault."""

    def __init__(self, point: str, number: signal.Signals, passes: int) -> None:
        self.point = point
        self._number = number
        self._passes = passes

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """`crash:relay.after_send:3`. Raises `ValueError` with a sentence."""
        action, _, rest = text.partition(":")
        point, _, passes = rest.partition(":")
        if action not in ACTIONS or point not in POINTS or not passes.isdigit() or int(passes) < 1:
            raise ValueError(f"'{text}' is not crash:<point>:<n> or freeze:<point>:<n> with one of {', '.join(POINTS)}")
        return cls(point, ACTIONS[action], int(passes))

    def reach(self, point: str) -> None:
        """Count a pass; act at the n-th."""
        if point == self.point:
            self._passes -= 1
            if self._passes == 0:
                os.kill(os.getpid(), self._number)


_armed: Fault | None = None


def arm(text: str | None) -> None:
    """Arm the one fault this process was started with, if any."""
    global _armed  # noqa: PLW0603  a process has one fault, and its points are everywhere
    _armed = Fault.parse(text) if text else None


def armed_at(point: str) -> bool:
    """Whether this process' fault is at this point: for points that need a detour to be reached at all."""
    return _armed is not None and _armed.point == point


def reach(point: str) -> None:
    """Pass a point."""
    if _armed is not None:
        _armed.reach(point)
