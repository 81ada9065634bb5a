"""Figures from records: exact, because every request was written down."""

import math
from collections.abc import Iterable, Sequence

from load.record import Request

PERCENTS = (50, 95, 99)


def percentile(values: Sequence[float], percent: float) -> float:
    """The measured value that so many percent of them do not exceed. Raises `ValueError` if there is none."""
    if not values:
        raise ValueError("there is no percentile of nothing")
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99; empty where there is nothing."""
    return {f"p{percent}": percentile(values, percent) for percent in PERCENTS} if values else {}


def per_second(moments: Iterable[float], seconds: int) -> list[int]:
    """How many fall into each second from the start on."""
    counts = [0] * seconds
    for moment in moments:
        if 0 <= moment < seconds:
            counts[int(moment)] += 1
    return counts


def over_time(points: Iterable[tuple[float, float]], percent: float, every: float = 1.0) -> list[tuple[float, float]]:
    """A percentile of the values in each stretch of time; stretches without a value are left out."""
    stretches: dict[int, list[float]] = {}
    for at, value in points:
        stretches.setdefault(int(at // every), []).append(value)
    return [((number + 0.5) * every, percentile(values, percent)) for number, values in sorted(stretches.items())]


def slope_per_hour(points: Sequence[tuple[float, float]]) -> float:
    """By how much a value (over seconds) grows in an hour, by least squares; 0 for fewer than two points."""
    if len(points) < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return 3600 * sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def unanswered(request: Request) -> bool:
    """Whether it got nothing, or an error that is not a refusal."""
    return request.status == 0 or (request.status >= 500 and request.status != 503)


def rejected(request: Request) -> bool:
    """Whether it was found wrong, or in conflict with what there is: 4xx but 429."""
    return 400 <= request.status < 500 and not refused(request)


def refused(request: Request) -> bool:
    """Whether it was turned away before any work was done for it."""
    return request.status in (429, 503)
