"""What so many orders a day would need: a measured run's cost of an order, multiplied: docs/load-testing.md.

It is linear: right for what is paid by the order (CPU, bytes), too high for what is shared at higher rates (flushes,
commits), and blind to whatever appears only at a size nobody has measured.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from load import results
from load.cost import per_order
from load.errors import LoadError

DAY_SECONDS, MONTH_DAYS = 86_400, 30
BUSY = 0.6  # of a core, at the peak: beyond it waiting times grow fast
SERVICES = ("order", "payment", "notification")
SHARED = ("postgres", "rabbitmq", "edge")  # use several cores
NODES = 2  # primary and replica; each writes all of the WAL
SERVICE_CORES = 1  # one event loop


def lines(directory: Path, orders_per_day: float, peak_factor: float) -> Iterator[str]:
    """The page, for a terminal. Raises `LoadError` if the run has no orders to count with."""
    found = results.read(directory)
    costs = per_order(found)
    if not costs["orders"]:
        raise LoadError(f"run {directory.name} has no orders: measure with make load PROFILE=steady")
    replicas = int(json.loads((directory / "manifest.json").read_text())["stack"].get("replicas", 1))
    peak = peak_factor * orders_per_day / DAY_SECONDS
    cpu = {row["name"]: row["cpu_ms"] for row in costs["components"]}
    yield f"{orders_per_day:,.0f} orders a day, {peak:,.1f} a second at the peak ({peak_factor:g} times the average)"
    yield f"from run {directory.name}: {costs['orders']:,} orders at {found['accepted_orders_per_second']:.1f} a second"
    yield ""
    yield f"cores at the peak, none more than {BUSY:.0%} busy"
    needed = {name: cpu[name] * peak / 1000 / BUSY for name in (*SERVICES, *SHARED)}
    for name, cores in needed.items():
        instances = f", so {math.ceil(cores / SERVICE_CORES)} instances" if name in SERVICES else ""
        yield f"  {name:14}{cores:8.2f}   ({cpu[name]:.2f} ms an order{instances})"
    yield f"  {'all of it':14}{sum(needed.values()):8.2f}"
    yield from _disk(costs, found, orders_per_day, peak)
    instances = sum(math.ceil(needed[name]) for name in SERVICES)
    each = costs["connections"] / (len(SERVICES) * replicas)
    yield f"database connections: {math.ceil(instances * each)} (at most {each:.0f} for each of {instances} instances)"
    yield ""
    yield from _first(cpu, replicas, peak, (found["system"]["cores"] or 1, costs["cpu_ms"]))


def _disk(costs: dict[str, Any], found: dict[str, Any], orders_per_day: float, peak: float) -> Iterator[str]:
    month = orders_per_day * MONTH_DAYS
    yield f"disk in a month, if nothing is dropped: {costs['database_kb'] * month / 1e6:,.1f} GB on each Postgres node"
    yield f"WAL in a day, shipped and archived: {costs['wal_kb'] * orders_per_day / 1e6:,.1f} GB"
    if costs["flushes"] is not None:
        flushes = costs["flushes"] * peak
        yield f"WAL flushes at the peak, each an I/O operation on each node: at most {flushes:,.0f} a second"
    kilobytes = costs["events"] * costs["event_bytes"] / 1000
    yield f"broker: {costs['events'] * peak:,.0f} events a second, {kilobytes * peak / 1000:.2f} MB/s of contents"
    writes = sum(found["system"]["written"].values()) / 1000 / costs["orders"]
    if writes:
        yield f"written to disk, all components: {writes * peak / 1000:,.1f} MB/s"


def _first(cpu: dict[str, float], replicas: int, peak: float, machine: tuple[int, float]) -> Iterator[str]:
    """A service has one core for each instance; all components together have the machine's."""
    cores, together = machine
    limits = {f"{name}, with {replicas} of it": _most(replicas * SERVICE_CORES, cpu[name]) for name in SERVICES}
    limits[f"the machine, with its {cores} cores"] = _most(cores, together)
    first = min(limits, key=lambda name: limits[name])
    enough = "enough" if limits[first] >= peak else "not enough"
    yield f"saturated first: {first}: {limits[first]:.0f} orders a second, {enough} for this peak; then"
    for name, limit in sorted(limits.items(), key=lambda pair: pair[1])[1:]:
        yield f"  {name}: {limit:.0f}"


def _most(cores: int, cpu_ms: float) -> float:
    return BUSY * cores * 1000 / max(cpu_ms, 1e-9)
