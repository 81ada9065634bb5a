"""What counting costs: python -m bench.metrics_cost [--rounds 3] [--orders 1500]; a native stack must be up.

The same load with metrics and without, in turns on one stack: on, off, off, on, .. so that what drifts meanwhile takes
from both alike. CPU time for an order is the robust figure; orders a second depend on who else uses the machine. Where
that is much, even CPU time does: the databases and the broker, whose work is the same either way, show by how much, and
the last line has it taken out.
"""

import argparse
import os
import statistics
import sys
from dataclasses import dataclass

import uvloop

import runtime
from bench import cpu
from bench.run import WARM_UP_ORDERS, settled, under_load
from bench.shop import Shop
from bench.watch import Watch
from native import Stack, StackError
from native.layout import DEFAULT_STACK
from native.plan import Plan
from native.ports import SERVICES

SERVERS = ("postgres", "rabbitmq")


@dataclass(frozen=True)
class Run:
    """What one load showed; milliseconds of CPU for an order."""

    metrics: bool
    sagas_per_second: float
    services_ms: float
    servers_ms: float
    all_ms: float

    @property
    def relative(self) -> float:
        """The services' share for each millisecond of the servers'."""
        return self.services_ms / self.servers_ms


def main() -> None:
    """Measure, and leave the stack as it was; a mistake of the user's is one sentence and exit status 1."""
    arguments = _parser().parse_args()
    try:
        stack = runtime.running(arguments.stack)
        if not isinstance(stack, Stack):
            sys.exit(f"'{stack.name}' runs in containers: bring one up with RUNTIME=native, and measure there")
        plan = stack.plan
        try:
            runs = [
                _run(stack, plan, arguments, metrics=metrics)
                for number in range(arguments.rounds)
                for metrics in ((True, False) if number % 2 == 0 else (False, True))
            ]
        finally:
            _up(stack, plan, {})
    except StackError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("interrupted: the stack is as it was")
    _ratios(runs)


def _run(stack: Stack, plan: Plan, arguments: argparse.Namespace, *, metrics: bool) -> Run:
    _up(stack, plan, {} if metrics else {"QS_METRICS": "false"})
    run = uvloop.run(_measure(stack, arguments, metrics=metrics))
    print(
        f"metrics {'on ' if metrics else 'off'}  {run.sagas_per_second:6.0f} sagas/s"
        f"  {run.services_ms:6.2f} CPU ms per saga in the services"
        f"  {run.servers_ms:6.2f} in the servers  {run.all_ms:6.2f} in all of it",
        flush=True,
    )
    return run


def _up(stack: Stack, plan: Plan, more: dict[str, str]) -> None:
    settings = {**plan.settings, **{service: {**plan.settings.get(service, {}), **more} for service in SERVICES}}
    stack.up(replicas=plan.replicas, settings=settings if more else plan.settings, patroni=plan.patroni)


async def _measure(stack: Stack, arguments: argparse.Namespace, *, metrics: bool) -> Run:
    shop = Shop(stack)
    await shop.stock()
    async with Watch(stack) as watch, shop.slow_provider():
        await settled(shop, watch, WARM_UP_ORDERS, arguments.concurrency, "warm")
        load = await under_load(stack, shop, watch, arguments.orders, arguments.concurrency)
    mine = {name: 1000 * seconds / load.accepted for name, seconds in load.cpu.items() if name != cpu.ELSEWHERE}
    services, servers = (sum(mine[name] for name in names) for names in (SERVICES, SERVERS))
    return Run(metrics, load.sagas_per_second, services, servers, sum(mine.values()))


def _ratios(runs: list[Run]) -> None:
    on, off = ([run for run in runs if run.metrics is metrics] for metrics in (True, False))
    for name, words in (
        ("sagas_per_second", "sagas/s"),
        ("all_ms", "CPU of all of it"),
        ("servers_ms", "CPU of the servers"),
        ("services_ms", "CPU of the services"),
        ("relative", "the last by the one before"),
    ):
        with_, without = ([getattr(run, name) for run in runs] for runs in (on, off))
        pairs = ", ".join(f"{a / b:.3f}" for a, b in zip(with_, without, strict=True))
        print(f"on / off, {words:26} {statistics.mean(with_) / statistics.mean(without):.3f}  (by pairs {pairs})")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.metrics_cost", description="What counting costs.")
    parser.add_argument("--rounds", type=int, default=3, help="each with metrics and without (3)")
    parser.add_argument("--orders", type=int, default=1500, help="in each (1500)")
    parser.add_argument("--concurrency", type=int, default=64, help="how many at a time (64)")
    parser.add_argument("--stack", default=os.environ.get("STACK") or DEFAULT_STACK, help="its name (env STACK)")
    return parser


if __name__ == "__main__":
    main()
