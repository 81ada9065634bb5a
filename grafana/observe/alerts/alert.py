"""What an alert is: when it fires, what it says, and the two situations that prove it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["page", "ticket"]
Series = Mapping[str, str]  # a series, and its values in promtool's notation, one every five seconds

GRAFANA = "http://127.0.0.1:8094"  # where Compose publishes it unless told otherwise
PAST = "x60"  # values for five minutes


@dataclass(frozen=True)
class Situation:
    """One more that promtool plays: "fires when none is left"."""

    words: str
    series: Series
    fires: bool
    tested_at: str = "4m"


@dataclass(frozen=True)
class Alert:
    """`fires` and `silent` are what promtool plays: after four minutes it fires, and it never does."""

    name: str
    expr: str
    after: str
    severity: Severity
    summary: str
    board: str
    fires: Series
    silent: Series
    labels: Mapping[str, str] = field(default_factory=dict)
    more: tuple[Situation, ...] = ()

    @property
    def situations(self) -> tuple[Situation, ...]:
        """All that promtool plays."""
        firing, silent = Situation("fires", self.fires, fires=True), Situation("stays silent", self.silent, fires=False)
        return (firing, silent, *self.more)

    @property
    def rule(self) -> dict[str, object]:
        """As Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": " ".join(self.expr.split()),
            "for": self.after,
            "labels": {"severity": self.severity, **self.labels},
            "annotations": {
                "summary": self.summary,
                "runbook_url": f"docs/runbooks/{self.name}.md",
                "dashboard_url": f"{GRAFANA}/d/{self.board}",
            },
        }
