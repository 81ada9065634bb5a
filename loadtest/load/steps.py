"""Where a ramp ends: with the step in which goodput has fallen behind what was offered."""

from itertools import accumulate

from load.ledger import Ledger
from load.plan import Plan

KEPT_SHARE = 0.7  # of the visitors of a step, those who got what they came for


class GoodputFallen:
    """Looks back at each step's end."""

    def __init__(self, plan: Plan, ledger: Ledger) -> None:
        self._stopping = plan.stopping
        self._ends = list(accumulate(phase.seconds for phase in plan.phases))
        self._ledger = ledger
        self._step = 0
        self._due = self._bad = self._under_way = 0

    def reached(self, now: float) -> bool:
        """Whether the step that has just ended was one too many."""
        if not self._stopping or now < self._ends[self._step]:
            return False
        ledger = self._ledger
        bad = ledger.dropped + sum(ledger.answers[result] for result in ("refused", "failed", "timeout"))
        lost = bad - self._bad + max(0, ledger.in_flight - self._under_way)
        due = ledger.due - self._due
        self._step, self._due, self._bad, self._under_way = self._step + 1, ledger.due, bad, ledger.in_flight
        return lost > (1 - KEPT_SHARE) * due
