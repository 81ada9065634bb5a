"""The page: verdict on top, figures, pictures, then everything in tables."""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from bench import cpu
from load import results as figures
from load.cost import per_order
from load.growth import growth
from load.plan import Plan
from load.report.charts import Charts

FILE = "report.html"


def write(directory: Path) -> Path:
    """The report of a run, from its files. Returns the page."""
    file = directory / FILE
    file.write_text(render(directory))
    return file


def render(directory: Path) -> str:
    """The page's text."""
    results = figures.read(directory)
    charts = Charts(directory, results)
    return (
        environment()
        .get_template("page.html")
        .render(
            plan=Plan.read(directory / "plan.json"),
            manifest=json.loads((directory / "manifest.json").read_text()),
            results=results,
            verdict=results["verdict"],
            tiles=_tiles(results),
            charts=charts,
            costs=per_order(results),
            growth=growth(results),
            knee=figures.knee_in_words(results["steps"]),
        )
    )


def environment() -> Environment:
    """Templates; a name that is not there is an error, and what is written is escaped."""
    loader = Environment(loader=PackageLoader("load.report"), autoescape=True, undefined=StrictUndefined)
    loader.filters["ms"] = milliseconds
    loader.filters["share"] = lambda value: f"{value:.2%}"
    loader.filters["json"] = lambda value: json.dumps(value, indent=1)
    return loader


def milliseconds(seconds: float | None) -> str:
    """`12 ms`, `1.25 s`; a dash for nothing."""
    if seconds is None:
        return "-"
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _tiles(results: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What it was about: name, figure, remark."""
    place, complete, generator = results["place"], results["complete"], results["generator"]
    offered, finished = results["offered_orders_per_second"], results["finished_orders_per_second"]
    refused = f"{results['refused']:.2%} refused, of {results['requests']:,} requests"
    lateness = f"{generator['dropped']} dropped, at worst {generator['lag_worst']:.2f} s late"
    accepted = f"{results['accepted_orders_per_second']:.1f}"
    used = results["system"]
    elsewhere = used["cpu"].get(cpu.ELSEWHERE, 0.0) / (used["seconds"] * (used["cores"] or 1))
    return [
        ("orders a second", accepted, f"accepted; {offered:.1f} offered, {finished:.1f} at their end in time"),
        ("placing, p95", milliseconds(place.get("p95")), _others(place)),
        ("completing, p95", milliseconds(complete.get("p95")), _others(complete)),
        ("errors", f"{results['errors']:.2%}", refused),
        ("backlog gone after", milliseconds(results["backlog_seconds"]), "from the last arrival to the last mail"),
        ("others on the machine", f"{elsewhere:.0%}", "of all cores: what else it did meanwhile"),
        ("generator", f"{generator['cpu']:.0%}", f"of one core (p95 {generator['cpu_p95']:.0%}); {lateness}"),
    ]


def _others(found: dict[str, float]) -> str:
    return f"p50 {milliseconds(found.get('p50'))}, p99 {milliseconds(found.get('p99'))}"
