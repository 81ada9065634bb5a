"""The figures of a run, made from its files alone, so that they can be made again."""

import json
from collections import Counter
from itertools import accumulate
from pathlib import Path
from typing import Any

from load import record, sagas
from load.plan import Plan
from load.record import Request, Second
from load.sagas import Saga
from load.statistics import percentile, percentiles, refused, rejected, unanswered

FILE = "results.json"
PLACE = "POST /orders"
LOOK = "GET /orders/{id}"
SATURATED_CPU, SATURATED_LAG_SECONDS = 0.85, 0.5
STEP_KEPT = 0.9  # of the orders offered in a step, those that must be accepted, and as many ended, for it to be carried


def figures(directory: Path) -> dict[str, Any]:
    """Everything that the verdict, the report and a comparison need; seconds and shares throughout."""
    plan = Plan.read(directory / "plan.json")
    requests, seconds, orders = record.requests(directory), record.seconds(directory), sagas.read(directory)
    placed = [request for request in requests if request.name == PLACE]
    length = max(1.0, sum(phase.seconds for phase in plan.phases))
    if plan.stopping and seconds:
        length = min(length, max(request.due for request in requests) if requests else length)
    return {
        "seconds": length,
        "generator": _generator(seconds),
        "requests": len(requests),
        "offered_orders_per_second": len(placed) / length,
        "accepted_orders_per_second": sum(request.status == 202 for request in placed) / length,
        "finished_orders_per_second": sum(_ended(saga) < length for saga in orders) / length,
        "errors": sum(map(unanswered, requests)) / max(1, len(requests)),
        "refused": sum(map(refused, requests)) / max(1, len(requests)),
        "rejected": sum(map(rejected, placed)) / max(1, len(placed)),
        "lost_reads": sum(request.name == LOOK and request.status == 404 for request in requests),
        "by_name": _by_name(requests),
        "place": percentiles([request.seconds for request in placed]),
        "complete": percentiles([saga.seconds for saga in orders if saga.seconds is not None]),
        "outcomes": dict(Counter(saga.outcome for saga in orders)),
        "steps": _steps(plan, placed, orders, seconds) if len(plan.phases) > 1 else [],
    }


def read(directory: Path) -> dict[str, Any]:
    """What `write` wrote."""
    found: dict[str, Any] = json.loads((directory / FILE).read_text())
    return found


def write(directory: Path, results: dict[str, Any]) -> None:
    """Into the run's directory."""
    (directory / FILE).write_text(json.dumps(results, indent=2) + "\n")


def _generator(seconds: list[Second]) -> dict[str, float | int]:
    """Lateness is the visitors', not the seconds': a generator that stands still for ten writes down a single one."""
    lags = [second.lag for second in seconds for _ in range(second.due)]
    busy = [second.cpu for second in seconds if second.due]
    return {
        "due": sum(second.due for second in seconds),
        "dropped": sum(second.dropped for second in seconds),
        "cpu": sum(busy) / max(1, len(busy)),
        "cpu_p95": percentile(busy, 95) if busy else 0.0,
        "lag_p95": percentile(lags, 95) if lags else 0.0,
        "lag_worst": max(lags, default=0.0),
        "most_in_flight": max((second.in_flight for second in seconds), default=0),
    }


def saturated(generator: dict[str, float]) -> str:
    """Why the generator's own figures cannot be trusted; empty if they can."""
    if generator["cpu_p95"] > SATURATED_CPU:
        return f"the generator used {generator['cpu_p95']:.0%} of a core (p95): lower the rate"
    if generator["lag_p95"] > SATURATED_LAG_SECONDS:
        return (
            f"the generator let visitors in {generator['lag_p95']:.2f} s late (p95): it had too little of the machine"
        )
    return ""


def _by_name(requests: list[Request]) -> dict[str, dict[str, Any]]:
    names = sorted({request.name for request in requests})
    return {name: _kind([request for request in requests if request.name == name]) for name in names}


def _kind(requests: list[Request]) -> dict[str, Any]:
    return {
        "count": len(requests),
        "answers": {str(status or "none"): n for status, n in sorted(Counter(r.status for r in requests).items())},
        **percentiles([request.seconds for request in requests]),
        "service_p50": percentile([request.service for request in requests], 50),
    }


def _steps(plan: Plan, placed: list[Request], orders: list[Saga], seconds: list[Second]) -> list[dict[str, Any]]:
    """Orders end a while after they were placed: a step's ends are counted later by what it took in the one before.

    A step for which visitors had to be dropped was not carried: their orders are among nothing that was sent.
    """
    ends = list(accumulate(phase.seconds for phase in plan.phases))
    rows: list[dict[str, Any]] = []
    usual: float | None = None
    for phase, end in zip(plan.phases, ends, strict=True):
        start = end - phase.seconds
        mine = [request for request in placed if start <= request.due < end]
        if not mine:
            break
        accepted = sum(request.status == 202 for request in mine) / phase.seconds
        took = [saga.seconds for saga in orders if saga.seconds is not None and start <= saga.placed < end]
        median = percentile(took, 50) if took else 0.0
        later = median if usual is None else usual
        finished = sum(start + later <= _ended(saga) < end + later for saga in orders) / phase.seconds
        usual = median
        offered = len(mine) / phase.seconds
        dropped = sum(second.dropped for second in seconds if start < second.at - 0.5 <= end)  # `at`: the second's end
        rows.append(
            {
                "asked": phase.per_second,
                "offered": offered,
                "accepted": accepted,
                "finished": finished,
                "place": percentiles([request.seconds for request in mine]),
                "carried": not dropped and min(accepted, finished) >= STEP_KEPT * offered,
            }
        )
    return rows


def knee(steps: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The last step that was carried before the first that was not; `None` where not even the first was."""
    found = None
    for step in steps:
        if not step["carried"]:
            break
        found = step
    return found


def knee_in_words(steps: list[dict[str, Any]]) -> str:
    """For a person."""
    found = knee(steps)
    if found is None:
        return "not even the first step was carried"
    return f"the knee: {found['offered']:.1f} orders a second are the most that were carried"


def _ended(saga: Saga) -> float:
    return saga.placed + saga.seconds if saga.seconds is not None else float("inf")
