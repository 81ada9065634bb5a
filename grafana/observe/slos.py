"""Service level objectives: recording rules under Sloth's names, and burn-rate alerts over several windows.

After Beyer et al., *The Site Reliability Workbook* (2018), chapter 5. An alert needs a long window, so that it is worth
waking somebody for, and a short one, so that it ends when the fault does. The *lab* set has windows of minutes: an
exercise of a quarter of an hour can make it fire, and nobody should be paged by it.
"""

from dataclasses import dataclass

from observe.alerts.alert import PAST, Alert, Series, Severity

PERIOD_DAYS = 7  # as long as Prometheus keeps its data
SHOP = 'job="services",route="/orders",method="POST"'
ANSWERS = "haproxy_frontend_http_responses_total"
EDGE = 'proxy="edge"'


@dataclass(frozen=True)
class Objective:
    """`bad` and `all` are expressions with `WINDOW` for the range; `fires` and `silent` are what promtool plays."""

    name: str
    words: str
    target: float
    bad: str
    all: str
    fires: Series
    silent: Series

    @property
    def labels(self) -> dict[str, str]:
        """Sloth's."""
        return {"sloth_service": "shop", "sloth_slo": self.name, "sloth_id": f"shop-{self.name}"}

    @property
    def alert_name(self) -> str:
        """orders-latency: OrdersLatencyBurning."""
        return f"{self.name.title().replace('-', '')}Burning"


OBJECTIVES = (
    # What customers are answered is known at the edge: a service that is down counts nothing, and what the edge refuses
    # never gets to one. HAProxy tells what it refuses for all routes together, so they all are in this objective.
    # `other` are customers who left before there was an answer.
    Objective(
        name="availability",
        words="requests are answered at the edge without an error of ours (5xx)",
        target=0.999,
        bad=f'sum(rate({ANSWERS}{{{EDGE},code="5xx"}}[WINDOW]))',
        all=f'sum(rate({ANSWERS}{{{EDGE},code!="other"}}[WINDOW]))',
        fires={  # a service goes away: the edge answers 503 in its place
            f'{ANSWERS}{{{EDGE},code="2xx"}}': "0+10x20 200+0x40",
            f'{ANSWERS}{{{EDGE},code="5xx"}}': "0+0x20 0+10x40",
        },
        silent={  # what customers do wrong, those who leave, and what Prometheus is answered
            f'{ANSWERS}{{{EDGE},code="2xx"}}': f"0+10{PAST}",
            f'{ANSWERS}{{{EDGE},code="4xx"}}': f"0+5{PAST}",
            f'{ANSWERS}{{{EDGE},code="5xx"}}': f"0+0{PAST}",
            f'{ANSWERS}{{{EDGE},code="other"}}': f"0+5{PAST}",
            f'{ANSWERS}{{proxy="metrics",code="5xx"}}': f"0+5{PAST}",
        },
    ),
    Objective(
        name="orders-latency",
        words="orders are accepted within 300 ms",
        target=0.99,
        bad=f'sum(rate(http_server_request_duration_seconds_count{{{SHOP},status="202"}}[WINDOW])) - sum(rate('
        f'http_server_request_duration_seconds_bucket{{{SHOP},status="202",le="0.3"}}[WINDOW]))',
        all=f'sum(rate(http_server_request_duration_seconds_count{{{SHOP},status="202"}}[WINDOW]))',
        fires={
            f'http_server_request_duration_seconds_count{{{SHOP},status="202"}}': f"0+10{PAST}",
            f'http_server_request_duration_seconds_bucket{{{SHOP},status="202",le="0.3"}}': f"0+2{PAST}",
        },
        silent={
            f'http_server_request_duration_seconds_count{{{SHOP},status="202"}}': f"0+10{PAST}",
            f'http_server_request_duration_seconds_bucket{{{SHOP},status="202",le="0.3"}}': f"0+10{PAST}",
        },
    ),
    Objective(
        name="sagas-in-time",
        words="orders have their outcome within 10 s",
        target=0.99,
        bad="sum(rate(saga_duration_seconds_count[WINDOW]))"
        ' - sum(rate(saga_duration_seconds_bucket{le="10.0"}[WINDOW]))',
        all="sum(rate(saga_duration_seconds_count[WINDOW]))",
        fires={
            "saga_duration_seconds_count": f"0+10{PAST}",
            'saga_duration_seconds_bucket{le="10.0"}': f"0+2{PAST}",
        },
        silent={
            "saga_duration_seconds_count": f"0+10{PAST}",
            'saga_duration_seconds_bucket{le="10.0"}': f"0+10{PAST}",
        },
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
    return Alert(
        name=slo.alert_name,
        expr=either,
        after="0s",
        severity=severity,
        summary=f"too few {slo.words}: {{{{ $value | humanizePercentage }}}} do not, {slo.target:.4g} should",
        board="slo",
        fires=slo.fires,
        silent=slo.silent,
        labels={"set": "lab"} if lab else {},
    )
