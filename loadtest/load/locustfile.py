"""The arrival-rate user, for Locust: one dispatcher lets visitors in when they are due, whatever became of the others.

`locust -f loadtest/load/locustfile.py --headless -u 1`, with LOAD_PLAN naming a plan's file (`make load` writes it).
One Locust user is all there is.
"""

import logging
import os
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import gevent
from locust import FastHttpUser, task
from locust.exception import StopUser

from load.arrivals import arrivals, rate_at, total_seconds
from load.door import Door
from load.identity import Identity
from load.ledger import Ledger
from load.plan import VARIABLE, Plan
from load.shopper import TIMEOUT_SECONDS, Shopper
from load.steps import GoodputFallen

FIRST_ARRIVAL_SECONDS = 0.5  # after everything is ready
PATIENCE_SECONDS = 90.0  # for those who are still in the shop when nobody comes any more
FIRST = -10  # a priority; it uses a tenth of a core or so
LINE_SECONDS = 5 if not sys.stdout.isatty() else 1
_log = logging.getLogger(__name__)
PLAN = Plan.read(Path(os.environ[VARIABLE]))


class Arrivals(FastHttpUser):
    """The dispatcher."""

    concurrency = PLAN.most_in_flight
    network_timeout = connection_timeout = TIMEOUT_SECONDS

    @task
    def once(self) -> None:
        """Let everybody in, wait until they have left, and end Locust, which would begin again otherwise."""
        try:
            self._all_of_it()
        except Exception:  # noqa: BLE001  whatever it is, the run is over, and the log has it
            _log.exception("the generator failed")
            self.environment.process_exit_code = 1
        gevent.spawn(self.environment.runner.quit)
        raise StopUser

    def _all_of_it(self) -> None:
        with suppress(PermissionError):  # whoever may: on a busy machine the clock of a test comes first
            os.setpriority(os.PRIO_PROCESS, 0, FIRST)
        self._identity = Identity(PLAN.stack)
        with ExitStack() as stack:
            ledger = stack.enter_context(Ledger(PLAN.directory))
            if PLAN.metrics_port:
                stack.enter_context(ledger.meter.serve(PLAN.metrics_port))
            for customer in range(PLAN.customers):  # tokens are signed before anybody is waiting for one
                self._identity.headers(f"load-{customer}")
            self._run(ledger)

    def _run(self, ledger: Ledger) -> None:
        visits = PLAN.visits
        started = time.perf_counter() + FIRST_ARRIVAL_SECONDS
        (PLAN.directory / "started").write_text(str(time.time() + FIRST_ARRIVAL_SECONDS))
        shopper = Shopper(self.client, started, ledger)
        clock = gevent.spawn(_clock, shopper, ledger)
        door, steps = Door(PLAN, shopper, self._identity, ledger), GoodputFallen(PLAN, ledger)
        for number, due in enumerate(arrivals(visits, PLAN.spacing, PLAN.seed)):
            door.wait(due)
            if steps.reached(due):
                break
            door.admit(number, due)
        else:
            door.wait(total_seconds(visits))
        (PLAN.directory / "ended").touch()
        door.close(PATIENCE_SECONDS)
        clock.kill()


def _clock(shopper: Shopper, ledger: Ledger) -> None:
    while True:
        gevent.sleep(1 - shopper.now() % 1)
        at = shopper.now()
        second = ledger.tick(at, rate_at(PLAN.visits, at))
        if round(at) % LINE_SECONDS == 0:
            print(ledger.line(second), flush=True)
