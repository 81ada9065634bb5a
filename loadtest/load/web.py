"""The load test in Locust's web UI, spread over any number of workers: docker compose --profile loadtest up.

One Locust user is one order a second, open loop: an independent source of visitors who come when they are due and wait
for nobody. So many independent sources together are what as many orders a second would be, however they are spread over
workers (Poisson processes add up), and "Number of users" is the rate, which the UI can change while the test runs.
"""

import json
import os
import socket
import time
import urllib.request
from argparse import Namespace
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import gevent
from locust import FastHttpUser, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.event import EventHook
from locust.runners import MasterRunner

from load.arrivals import Phase, arrivals
from load.door import Door
from load.errors import LoadError
from load.identity import ADMIN, Identity
from load.ledger import SHOWN_SECONDS, Ledger
from load.plan import Plan
from load.profiles import PROFILES
from load.shelf import product, stock
from load.shopper import TIMEOUT_SECONDS, Shopper

KINDS = ("steady", "skew", "read-heavy", "surge")  # the others differ in their rates alone
FOREVER_SECONDS = 1e9
MOST_INSIDE = 60  # visitors of one source
ON_SALE_ORDERS = 1000  # of which the surge's product has pieces for half
METRICS_PORT = int(os.environ.get("LOAD_METRICS_PORT", "9646"))
DIRECTORY = Path(os.environ.get("LOADTEST_DIRECTORY", "/data"))


class OrderASecond(FastHttpUser):
    """One order a second, and those who only look beside it."""

    concurrency = MOST_INSIDE
    network_timeout = connection_timeout = TIMEOUT_SECONDS
    ledger: ClassVar[Ledger]
    identity: ClassVar[Identity]
    plan: ClassVar[Plan]  # of the test that runs
    numbers: ClassVar[Iterator[int]]

    @task
    def come(self) -> None:
        """Let visitors in until the UI has no use for this user any more. Those who are inside finish."""
        name = f"{self.environment.runner.worker_index}-{next(self.numbers)}"
        plan = self.plan.model_copy(update={"run": f"{self.plan.run}-{name}", "seed": f"{self.plan.seed}/{name}"})
        shopper = Shopper(self.client, time.perf_counter(), self.ledger)
        door = Door(plan, shopper, self.identity, self.ledger)
        for number, due in enumerate(arrivals(plan.visits, plan.spacing, plan.seed)):
            door.wait(due)
            if not door.admit(number, due):
                _tell(self.environment, RuntimeError("visitors were dropped: more workers, or fewer orders a second"))


def _arguments(parser: LocustArgumentParser) -> None:
    parser.add_argument("--load-profile", choices=KINDS, default="steady", env_var="LOADTEST_PROFILE", help="Who comes")
    parser.add_argument("--seed", default="1", help="The same seed, the same visitors")
    parser.add_argument("--run", default="", include_in_web_ui=False, help="What one test's keys have in common")


def _open(environment: Environment, **_: Any) -> None:
    if isinstance(environment.runner, MasterRunner):
        return
    try:
        OrderASecond.identity = Identity("")
    except LoadError as error:
        raise SystemExit(str(error)) from None
    directory = DIRECTORY / f"{socket.gethostname()}-{int(time.time())}"
    directory.mkdir(parents=True)
    OrderASecond.ledger = Ledger(directory)
    serving = OrderASecond.ledger.meter.serve(METRICS_PORT, "0.0.0.0")  # noqa: S104  Prometheus is on another host
    serving.__enter__()
    started = time.perf_counter()
    clock = gevent.spawn(_clock, environment, started)

    def close(**_: Any) -> None:
        clock.kill()
        OrderASecond.ledger.tick(time.perf_counter() - started, 0.0)
        serving.__exit__(None, None, None)

    _listen(environment.events.quitting, close)


def _begin(environment: Environment, **_: Any) -> None:
    options = environment.parsed_options
    assert options is not None
    if isinstance(environment.runner, MasterRunner):
        options.run = f"web-{time.time_ns():x}"  # its workers are told
        return
    OrderASecond.plan, OrderASecond.numbers = _plan(options), count()
    try:
        _shelve(str(environment.host), OrderASecond.plan)
    except OSError as error:
        failed = RuntimeError(f"nothing could be put on the shelf at {environment.host} ({error}): is the shop up?")
        _tell(environment, failed)


def _plan(options: Namespace) -> Plan:
    profile, run = PROFILES[options.load_profile], options.run or f"web-{time.time_ns():x}"
    return Plan(
        run=run,
        profile=profile.name,
        directory=DIRECTORY,
        stack="",
        phases=(Phase(1.0, FOREVER_SECONDS),),
        seed=options.seed,
        mix=profile.mix,
        shelf=profile.shelf,
        gates=profile.gates,
        skus=tuple(stock(run, profile.shelf, ON_SALE_ORDERS)),
        most_in_flight=MOST_INSIDE,
    )


def _shelve(host: str, plan: Plan) -> None:
    headers = {**OrderASecond.identity.headers(ADMIN), "Content-Type": "application/json"}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for sku, pieces in stock(plan.run, plan.shelf, ON_SALE_ORDERS).items():
        body = json.dumps(product(sku, pieces)).encode()
        request = urllib.request.Request(f"{host}/products/{sku}", body, headers, method="PUT")  # noqa: S310  the edge
        opener.open(request, timeout=TIMEOUT_SECONDS).close()


def _tell(environment: Environment, error: Exception) -> None:
    """Into the UI's list of exceptions, with how often it happened."""
    hook = environment.events.user_error
    hook.fire(user_instance=None, exception=error, tb=None)  # type: ignore[no-untyped-call]  # the library's own


def _clock(environment: Environment, started: float) -> None:
    for seconds in count(1):
        gevent.sleep(1)
        ledger, runner = OrderASecond.ledger, environment.runner
        users = runner.user_count if runner else 0
        visits = OrderASecond.plan.visits[0].per_second if users else 0
        second = ledger.tick(time.perf_counter() - started, users * visits)
        if seconds % SHOWN_SECONDS == 0 and users:
            print(ledger.line(second), flush=True)


def _listen(hook: EventHook, listener: Callable[..., None]) -> None:
    hook.add_listener(listener)  # type: ignore[no-untyped-call]  # the library's own


_listen(events.init_command_line_parser, _arguments)
_listen(events.init, _open)
_listen(events.test_start, _begin)
