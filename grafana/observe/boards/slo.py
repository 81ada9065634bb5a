"""SLO: what was promised, how much of the budget is left, and how fast it goes."""

from observe.boards.kit import Board
from observe.boards.panel import RED, YELLOW, Panel, Query

BUDGET = ((None, RED), (0.0, YELLOW), (0.5, "green"))
BURN = ((None, "green"), (1.0, YELLOW), (13.44, RED))

BOARD = Board(
    uid="slo",
    title="SLO",
    question="What was promised, how much of the error budget is left, and how fast does it go?",
    panels=(
        Panel(
            "Objectives",
            "The share that must go well, over the period. availability: answers of the edge without an error of ours"
            " (5xx), on all routes, refusals included; orders-latency: orders accepted within 300 ms; sagas-in-time:"
            " outcomes within 10 s.",
            "percentunit",
            (Query("max by (sloth_slo) (slo:objective:ratio)", "{{sloth_slo}}"),),
            kind="stat",
            height=5,
            minimum=None,
        ),
        Panel(
            "Error budget left",
            "Above half. Below 0 the objective of the period is missed.",
            "percentunit",
            (Query("max by (sloth_slo) (slo:period_error_budget_remaining:ratio)", "{{sloth_slo}}"),),
            kind="stat",
            height=5,
            steps=BUDGET,
            minimum=None,
        ),
        Panel(
            "Burn rate now",
            "Below 1: at 1 the budget is used up exactly at the end of the period, at 13.44 an eighth of it in an hour"
            " and a half.",
            "none",
            (Query("max by (sloth_slo) (slo:current_burn_rate:ratio)", "{{sloth_slo}}"),),
            kind="stat",
            height=5,
            steps=BURN,
        ),
        Panel(
            "Errors over five minutes",
            "Near 0 %.",
            "percentunit",
            (Query("max by (sloth_slo) (slo:sli_error:ratio_rate5m)", "{{sloth_slo}}"),),
        ),
        Panel(
            "Errors over an hour",
            "Near 0 %. A fault of minutes is still to be seen here when the five minutes have forgotten it.",
            "percentunit",
            (Query("max by (sloth_slo) (slo:sli_error:ratio_rate1h)", "{{sloth_slo}}"),),
        ),
        Panel(
            "Errors over a day",
            "Near 0 %.",
            "percentunit",
            (Query("max by (sloth_slo) (slo:sli_error:ratio_rate1d)", "{{sloth_slo}}"),),
        ),
        Panel(
            "Burn rate over the period",
            "Below 1.",
            "none",
            (Query("max by (sloth_slo) (slo:period_burn_rate:ratio)", "{{sloth_slo}}"),),
            width=12,
            steps=((None, "green"), (1.0, RED)),
        ),
        Panel(
            "Error budgets",
            "The share that may fail.",
            "percentunit",
            (Query("max by (sloth_slo) (slo:error_budget:ratio)"),),
            kind="table",
            width=8,
        ),
        Panel(
            "Days of the period",
            "As long as Prometheus keeps its data.",
            "none",
            (Query("max(slo:time_period:days)", "days"),),
            kind="stat",
            width=4,
        ),
    ),
)
