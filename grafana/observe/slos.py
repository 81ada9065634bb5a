"""Service level objectives: recording rules under Sloth's names, and burn-rate alerts over several windows.

After Beyer et al., *The Site Reliability Workbook* (2018), chapter 5. An alert needs a long window, so that it is worth
waking somebody for, and a short one, so that it ends when the fault does. The *lab* set has windows of minutes: an
exercise of a quarter of an hour can make it fire, and nobody should be paged by it.
"""

from dataclasses import dataclass

from observe.alerts.alert import PAST, Alert, Severity

PERIOD_DAYS = 7  # as long as Prometheus keeps its data
SHOP = 'job="services",route="/orders",method="POST"'


@dataclass(frozen=True)
class Objective:
    """`bad` and `all` are expressions with `WINDOW` for the range; `series` names the counters that promtool plays."""

    name: str
    words: str
    target: float
    bad: str
    all: str
    series: tuple[str, str]  # one that counts as bad, one that does not; the second is in all

    @property
    def labels(self) -> dict[str, str]:
        """Sloth's."""
        return {"sloth_service": "shop", "sloth_slo": self.name, "sloth_id": f"shop-{self.name}"}

    @property
    def alert_name(self) -> str:
        """orders-availability: OrdersAvailabilityBurning."""
        return f"{self.name.title().replace('-', '')}Burning"


OBJECTIVES = (
    Objective(
        name="orders-availability",
        words="orders are answered without an error of ours (5xx)",
        target=0.999,
        bad=f'sum(rate(http_server_request_duration_seconds_count{{{SHOP},status=~"5.."}}[WINDOW]))',
        all=f"sum(rate(http_server_request_duration_seconds_count{{{SHOP}}}[WINDOW]))",
        series=(
            f'http_server_request_duration_seconds_count{{{SHOP},status="500"}}',
            f'http_server_request_duration_seconds_count{{{SHOP},status="202"}}',
        ),
    ),
    Objective(
        name="orders-latency",
        words="orders are accepted within 300 ms",
        target=0.99,
        bad=f'sum(rate(http_server_request_duration_seconds_count{{{SHOP},status="202"}}[WINDOW])) - sum(rate('
        f'http_server_request_duration_seconds_bucket{{{SHOP},status="202",le="0.3"}}[WINDOW]))',
        all=f'sum(rate(http_server_request_duration_seconds_count{{{SHOP},status="202"}}[WINDOW]))',
        series=(
            f'http_server_request_duration_seconds_count{{{SHOP},status="202"}}',
            f'http_server_request_duration_seconds_bucket{{{SHOP},status="202",le="0.3"}}',
        ),
    ),
    Objective(
        name="sagas-in-time",
        words="orders have their outcome within 10 s",
        target=0.99,
        bad="sum(rate(saga_duration_seconds_count[WINDOW]))"
        ' - sum(rate(saga_duration_seconds_bucket{le="10.0"}[WINDOW]))',
        all="sum(rate(saga_duration_seconds_count[WINDOW]))",
        series=("saga_duration_seconds_count", 'saga_duration_seconds_bucket{le="10.0"}'),
    ),
)

WINDOWS = ("1m", "5m", "30m", "1h", "2h", "6h", "1d", "3d")
# Severity, how fast the budget burns, the short and the long window. A burn rate of 1 uses it up exactly in the period;
# 13.44 uses 8 % of a week's in an hour.
BURNS: tuple[tuple[Severity, float, str, str], ...] = (
    ("page", 13.44, "5m", "1h"),
    ("page", 3.5, "30m", "6h"),
    ("ticket", 1.4, "2h", "1d"),
    ("ticket", 0.98, "6h", "3d"),
)
LAB: tuple[tuple[Severity, float, str, str], ...] = (("ticket", 13.44, "1m", "5m"),)


def recording() -> list[dict[str, object]]:
    """The groups of recording rules."""
    return [{"name": f"slo-{slo.name}", "rules": [*_errors(slo), *_metadata(slo)]} for slo in OBJECTIVES]


def _errors(slo: Objective) -> list[dict[str, object]]:
    rules: list[dict[str, object]] = []
    for window in WINDOWS:
        # Nothing asked, nothing failed: without this an idle hour would be a gap, and a gap ends an alert.
        ratio = f"({slo.bad}) / ({slo.all} > 0) or vector(0)".replace("WINDOW", window)
        labels = {**slo.labels, "sloth_window": window}
        rules.append({"record": f"slo:sli_error:ratio_rate{window}", "expr": ratio, "labels": labels})
    return rules


def _metadata(slo: Objective) -> list[dict[str, object]]:
    selector = f'{{sloth_id="{slo.labels["sloth_id"]}"}}'
    by = "sum by (sloth_service, sloth_slo, sloth_id)"
    period = f"{by} (avg_over_time(slo:sli_error:ratio_rate5m{selector}[{PERIOD_DAYS}d]))"
    budget = f"on (sloth_id) group_left () slo:error_budget:ratio{selector}"
    current = f"{by} (slo:sli_error:ratio_rate5m{selector})"
    expressions = {
        "slo:objective:ratio": f"vector({slo.target:g})",
        "slo:error_budget:ratio": f"vector(1 - {slo.target:g})",
        "slo:time_period:days": f"vector({PERIOD_DAYS})",
        "slo:current_burn_rate:ratio": f"{current} / {budget}",
        "slo:period_burn_rate:ratio": f"{period} / {budget}",
        "slo:period_error_budget_remaining:ratio": f"1 - slo:period_burn_rate:ratio{selector}",
    }
    return [{"record": name, "expr": expr, "labels": slo.labels} for name, expr in expressions.items()]


def alerts() -> list[Alert]:
    """For each objective: pages, tickets, and the lab's."""
    return [
        alert
        for slo in OBJECTIVES
        for alert in (
            _alert(slo, "page", BURNS[:2]),
            _alert(slo, "ticket", BURNS[2:]),
            _alert(slo, "ticket", LAB, lab=True),
        )
    ]


def _alert(
    slo: Objective, severity: Severity, burns: tuple[tuple[Severity, float, str, str], ...], *, lab: bool = False
) -> Alert:
    budget = f"{1 - slo.target:.6g}"
    selector = f'{{sloth_id="{slo.labels["sloth_id"]}"}}'

    def above(window: str, factor: float) -> str:
        return f"max(slo:sli_error:ratio_rate{window}{selector}) > {factor:g} * {budget}"

    either = " or ".join(f"({above(short, factor)} and {above(long, factor)})" for _, factor, short, long in burns)
    broken, fine = slo.series
    some = broken != slo.series[0] or "bucket" in fine  # a histogram: what is not in the bucket is bad
    fires = {broken: f"0+10{PAST}", fine: f"0+{2 if some else 10}{PAST}"}
    silent = {broken: f"0+{10 if some else 0}{PAST}", fine: f"0+10{PAST}"}
    return Alert(
        name=slo.alert_name,
        expr=either,
        after="0s",
        severity=severity,
        summary=f"too few {slo.words}: {{{{ $value | humanizePercentage }}}} do not, {slo.target:.4g} should",
        board="slo",
        fires=fires,
        silent=silent,
        labels={"set": "lab"} if lab else {},
    )
