"""Where visitors come in: when they are due, and whatever became of those before them."""

import gevent
from gevent.pool import Pool

from load.identity import Identity
from load.journeys import Journey
from load.ledger import Ledger
from load.plan import Plan
from load.shopper import Shopper
from load.visits import visit


class Door:
    """Lets visitors in. At most `plan.most_in_flight` are inside at once; one more is dropped, not delayed."""

    def __init__(self, plan: Plan, shopper: Shopper, identity: Identity, ledger: Ledger) -> None:
        self._plan = plan
        self._shopper = shopper
        self._identity = identity
        self._ledger = ledger
        self._inside = Pool(plan.most_in_flight)

    def wait(self, due: float) -> None:
        """Return when somebody is due, or at once where that has passed."""
        gevent.sleep(max(0.0, due - self._shopper.now()))

    def admit(self, number: int, due: float) -> bool:
        """Let this visitor in. Returns whether there was room."""
        if self._inside.full():
            self._ledger.drop()
            return False
        self._ledger.arrived(self._shopper.now() - due)
        self._inside.spawn(self._visit, number, due)
        return True

    def close(self, patience_seconds: float) -> None:
        """Wait until all have left, but not longer than that."""
        self._inside.join(timeout=patience_seconds)
        self._inside.kill()

    def _visit(self, number: int, due: float) -> None:
        try:
            Journey(self._shopper, self._identity, self._ledger.recorder, visit(self._plan, number)).go(due)
        finally:
            self._ledger.left()
