"""What grows while the load stays the same: the slope of memory, connections and tables over a run."""

from typing import Any, NamedTuple

from load.statistics import slope_per_hour

LEAST_SAMPLES = 6


class Growth(NamedTuple):
    """A figure at the first look and at the last one, and by how much it grows in an hour, by least squares."""

    name: str
    first: float
    last: float
    per_hour: float


def growth(results: dict[str, Any]) -> list[Growth]:
    """MB and connections. Empty for a run too short to have a slope; the first quarter is warming up."""
    samples = results["system"]["samples"]
    samples = samples[len(samples) // 4 :]
    if len(samples) < LEAST_SAMPLES:
        return []
    start = samples[0]["at"]
    figures: dict[str, list[tuple[float, float]]] = {}
    for sample in samples:
        at = sample["at"] - start
        figures.setdefault("database connections", []).append((at, sample["connections"]))
        figures.setdefault("databases, MB", []).append((at, sample["database_bytes"] / 1e6))
        for name, size in sample["memory"].items():
            figures.setdefault(f"memory of {name}, MB", []).append((at, size / 1e6))
    return [Growth(name, points[0][1], points[-1][1], slope_per_hour(points)) for name, points in figures.items()]
