"""A panel as it is declared: what it asks, what normal looks like, and how it is drawn."""

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["timeseries", "stat", "state-timeline", "heatmap", "table"]
GREEN, YELLOW, RED, NOTHING = "green", "orange", "red", "transparent"
Steps = tuple[tuple[float | None, str], ...]
PLAIN: Steps = ((None, GREEN),)


@dataclass(frozen=True)
class Query:
    """`legend` names a series by its labels, as {{label}}."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """`normal` is the description: what the panel looks like on a good day, and what it means when it does not."""

    title: str
    normal: str
    unit: str
    queries: tuple[Query, ...]
    kind: Kind = "timeseries"
    width: int = 8
    height: int = 8
    steps: Steps = PLAIN
    stacked: bool = False
    minimum: float | None = 0
    maximum: float | None = None
    states: dict[str, tuple[str, str]] = field(default_factory=dict)  # value -> its name and colour


def above(limit: float, colour: str = RED) -> Steps:
    """Green, and another colour from this value on."""
    return ((None, GREEN), (limit, colour))


def below(limit: float) -> Steps:
    """Red, and green from this value on."""
    return ((None, RED), (limit, GREEN))
