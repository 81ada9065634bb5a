"""Two sets of runs of one profile beside each other: what differs by more than the repeats scatter."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from load import record, results, sagas
from load.cost import per_order
from load.errors import LoadError
from load.noise import LEAST_REPEATS, Difference, difference
from load.plan import Plan
from load.report.chart import Chart, Point
from load.report.page import environment
from load.results import PLACE
from load.statistics import over_time

MOST_RATES_APART = 1.05


@dataclass(frozen=True)
class Side:
    """The repeats of one side."""

    name: str
    directories: tuple[Path, ...]

    @property
    def results(self) -> list[dict[str, Any]]:
        """What each run measured."""
        return [results.read(directory) for directory in self.directories]


@dataclass(frozen=True)
class Row:
    """One figure on both sides; fewer or more of it is better only where the reader knows."""

    name: str
    unit: str
    found: Difference


def compare(a: Side, b: Side) -> list[Row]:
    """All figures that both sides have.

    Raises `LoadError` if they are of different profiles, of different rates, or were invalid.
    """
    plans = [Plan.read(d / "plan.json") for d in (*a.directories, *b.directories)]
    profiles = {plan.profile for plan in plans}
    if len(profiles) > 1:
        raise LoadError(f"these runs are of different profiles ({', '.join(sorted(profiles))}): compare like with like")
    rates = sorted(plan.phases[0].per_second for plan in plans)
    if rates[-1] > MOST_RATES_APART * rates[0]:
        raise LoadError(
            f"these runs begin with {rates[0]:.1f} to {rates[-1]:.1f} orders a second, and who is asked for more takes"
            " longer: measure both sides with the same RATE="
        )
    for directory in (*a.directories, *b.directories):
        if results.read(directory)["verdict"]["outcome"] == "invalid":
            raise LoadError(f"run {directory.name} is invalid: its report says why; it cannot be compared")
    sides = [[dict(_figures(found)) for found in side.results] for side in (a, b)]
    names = [name for name in sides[0][0] if all(name in run for side in sides for run in side)]
    return [Row(*name, difference(*([run[name] for run in side] for side in sides))) for name in names]


def lines(rows: Sequence[Row], a: Side, b: Side) -> Iterator[str]:
    """For a terminal."""
    repeats = f"{len(a.directories)} and {len(b.directories)} repeats"
    yield f"A = {a.name}, B = {b.name}; {repeats}; mean and standard deviation over them"
    for row in rows:
        found = row.found
        change = "" if found.change is None else f"{found.change:+.1%}"
        yield (
            f"  {row.name:34}{found.a:10.3f} ±{found.spread_a:8.3f}{found.b:12.3f} ±{found.spread_b:8.3f}"
            f" {row.unit:4}{change:>9}  {found.call}"
        )
    if any(row.found.call == "too few repeats" for row in rows):
        yield f"nothing is called a difference: that takes {LEAST_REPEATS} runs or more on each side"


def page(rows: Sequence[Row], a: Side, b: Side) -> str:
    """For a browser: overlays and the table."""
    seconds = max(found["seconds"] for side in (a, b) for found in side.results)
    pictures = {"Placing an order, p95": _placing, "From placed to its end, p95": _completing}
    charts = [
        Chart(title, "seconds", {side.name: points(side) for side in (a, b)}, seconds)
        for title, points in pictures.items()
    ]
    return environment().get_template("compare.html").render(rows=rows, a=a, b=b, charts=charts)


def _figures(found: dict[str, Any]) -> Iterator[tuple[tuple[str, str], float]]:
    for what in ("accepted", "finished"):
        yield (f"orders {what}", "/s"), found[f"{what}_orders_per_second"]
    for what in ("place", "complete"):
        for percent, seconds in found[what].items():
            yield (f"{what}, {percent}", "ms"), 1000 * seconds
    yield ("errors", "%"), 100 * found["errors"]
    yield ("refused", "%"), 100 * found["refused"]
    if found["backlog_seconds"] is not None:
        yield ("until the backlog is gone", "s"), found["backlog_seconds"]
    costs = per_order(found)
    yield ("CPU of an order, the system", "ms"), costs["cpu_ms"]
    for row in costs["components"]:
        yield (f"CPU of an order, {row['name']}", "ms"), row["cpu_ms"]
    yield ("WAL of an order", "KB"), costs["wal_kb"]


def _placing(side: Side) -> list[Point]:
    points = [
        (request.due, request.seconds)
        for directory in side.directories
        for request in record.requests(directory)
        if request.name == PLACE
    ]
    return over_time(points, 95)


def _completing(side: Side) -> list[Point]:
    points = [
        (saga.placed, saga.seconds)
        for directory in side.directories
        for saga in sagas.read(directory)
        if saga.seconds is not None
    ]
    return over_time(points, 95)
