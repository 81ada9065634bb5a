"""Resilience: which dependency fails, and do the guards hold?"""

from observe.boards.kit import Board
from observe.boards.panel import GREEN, NOTHING, RED, YELLOW, Panel, Query, above

RATE = "[$__rate_interval]"
OURS = 'service=~"$service"'

BOARD = Board(
    uid="resilience",
    title="Resilience",
    question="Which dependency fails, and do the guards hold? Nothing that is guarded may take its service with it.",
    panels=(
        Panel(
            "Circuit breakers",
            "Closed. Open: the dependency is left alone; half-open: a few probes ask whether it is back.",
            "none",
            (
                Query(
                    f'max by (service, dependency) (2 * circuit_breaker_state{{state="open",{OURS}}}'
                    f' or circuit_breaker_state{{state="half_open",{OURS}}})',
                    "{{service}} to {{dependency}}",
                ),
            ),
            kind="state-timeline",
            width=12,
            states={"0": ("closed", GREEN), "1": ("half-open", YELLOW), "2": ("open", RED)},
        ),
        Panel(
            "Faults at work",
            "Empty bars, unless somebody breaks something on purpose.",
            "none",
            (Query("max by (fault, target) (faults_active)", "{{fault}} {{target}}"),),
            kind="state-timeline",
            width=12,
            states={"0": ("-", NOTHING), "1": ("at work", RED)},
        ),
        Panel(
            "Calls by result",
            "ok. open and full were never made: that is the guard at work, and cheap.",
            "reqps",
            (
                Query(
                    f"sum by (dependency, result) (rate(guarded_calls_total{{{OURS}}}{RATE}))",
                    "{{dependency}} {{result}}",
                ),
            ),
        ),
        Panel(
            "Calls for each effect that succeeds",
            "1. Above 2, retrying is most of what the other side gets to see.",
            "none",
            (
                Query(
                    f'sum by (kind) (rate(effect_calls_total{{{OURS},result=~"done|retry"}}{RATE})) /'
                    f' (sum by (kind) (rate(effect_calls_total{{{OURS},result="done"}}{RATE})) > 0)',
                    "{{kind}}",
                ),
            ),
            steps=above(2),
        ),
        Panel(
            "Results of effects",
            "done. stale is the answer of an attempt that somebody else has taken over: the fence at work.",
            "reqps",
            (Query(f"sum by (kind, result) (rate(effect_calls_total{{{OURS}}}{RATE}))", "{{kind}} {{result}}"),),
        ),
        Panel(
            "Duration of calls to the outside world",
            "p95 near the other side's own time. At the time limit it hangs.",
            "s",
            (
                Query(
                    "histogram_quantile(0.95, sum by (kind, le)"
                    f" (rate(effect_call_duration_seconds_bucket{{{OURS}}}{RATE})))",
                    "{{kind}}",
                ),
            ),
        ),
        Panel(
            "Effects to do",
            "A handful. They wait in the database, not in memory: an outage of hours is a long line and no loss.",
            "none",
            (Query(f"max by (kind) (effects_pending{{{OURS}}})", "{{kind}}"),),
        ),
        Panel(
            "Oldest effect to do",
            "Seconds. Charges are given up by their deadline; voids, refunds and mails never.",
            "s",
            (Query(f"max by (kind) (effects_oldest_age_seconds{{{OURS}}})", "{{kind}}"),),
            steps=above(30),
        ),
        Panel(
            "Bulkheads in use",
            "Far below 100 %. At 100 % calls wait, then are refused; other dependencies do not notice.",
            "percentunit",
            (
                Query(
                    f"max by (service, dependency) (bulkhead_in_use{{{OURS}}} / bulkhead_limit{{{OURS}}})",
                    "{{service}} to {{dependency}}",
                ),
            ),
            maximum=1,
            steps=above(1),
        ),
        Panel(
            "Calls that wait for a place",
            "0.",
            "none",
            (Query(f"max by (service, dependency) (bulkhead_waiting{{{OURS}}})", "{{service}} to {{dependency}}"),),
        ),
        Panel(
            "Retries",
            "Few. no_budget is a retry that was not made, because more than a tenth of the calls would have been one.",
            "reqps",
            (
                Query(
                    f"sum by (dependency, result) (rate(guard_retries_total{{{OURS}}}{RATE}))",
                    "{{dependency}} {{result}}",
                ),
            ),
        ),
        Panel(
            "Changes of the breakers per minute",
            "0. A breaker that opens and closes all the time meets a dependency that is half well.",
            "none",
            (
                Query(
                    f"sum by (dependency, to) (rate(circuit_breaker_transitions_total{{{OURS}}}[1m])) * 60",
                    "{{dependency}} {{to}}",
                ),
            ),
        ),
        Panel(
            "Parts of timelines",
            "answered. late, refused and failed are parts that a timeline lacks; it is answered all the same.",
            "reqps",
            (
                Query(
                    f"sum by (dependency, result) (rate(timeline_parts_total{RATE}))",
                    "{{dependency}} {{result}}",
                ),
            ),
        ),
        Panel(
            "Limits without Redis",
            "0. Requests whose customer's limit was counted by one process alone, because Redis was away.",
            "reqps",
            (Query(f"sum by (service) (rate(throttled_locally_total{{{OURS}}}{RATE}))", "{{service}}"),),
        ),
        Panel(
            "Unanswered questions to Redis",
            "0. Without Redis reads are slower, and right.",
            "reqps",
            (Query(f"sum by (service) (rate(redis_away_total{{{OURS}}}{RATE}))", "{{service}}"),),
        ),
    ),
)
