"""Overview: are customers being served, and is everything still true?"""

from observe.boards.kit import Board
from observe.boards.panel import Panel, Query, above, below

HTTP = "http_server_request_duration_seconds_count"
STEP = "saga_step_duration_seconds_bucket[$__rate_interval]"

BOARD = Board(
    uid="overview",
    title="Overview",
    question="Are customers being served, and is everything still true? Look here first.",
    panels=(
        Panel(
            "Orders confirmed per second",
            "Follows the load. It is what the shop is for: when it falls while orders still come in, look below.",
            "reqps",
            (Query('sum(rate(sagas_completed_total{outcome="confirmed"}[$__rate_interval]))', "confirmed"),),
            kind="stat",
            width=4,
            height=5,
        ),
        Panel(
            "Yield",
            "The share of the requests to the services that were answered, neither refused (429, 503) nor failed:"
            " 100 %. Refusing under overload is right, and seen here. What never got to a service is not: see"
            " Answers of the edge, in Services.",
            "percentunit",
            (
                Query(
                    f'sum(rate({HTTP}{{status!~"5..|429"}}[$__rate_interval])) / sum(rate({HTTP}[$__rate_interval]))',
                    "answered",
                ),
            ),
            kind="stat",
            width=4,
            height=5,
            steps=below(0.99),
            maximum=1,
        ),
        Panel(
            "Oldest order without an outcome",
            "Below a few seconds. An order that waits longer than its expiry is stuck.",
            "s",
            (Query("max(saga_oldest_age_seconds)", "oldest"),),
            kind="stat",
            width=4,
            height=5,
            steps=above(30),
        ),
        Panel(
            "Invariant violations",
            "0 in the last verify, always. Anything else is a broken promise: somebody was charged twice,"
            " oversold or forgotten.",
            "none",
            (Query("sum(verify_invariant_violations)", "violations"),),
            kind="stat",
            width=4,
            height=5,
            steps=above(1),
        ),
        Panel(
            "Firing alerts",
            "0. Prometheus and the mails say which.",
            "none",
            (Query('count(ALERTS{alertstate="firing"}) or vector(0)', "firing"),),
            kind="stat",
            width=4,
            height=5,
            steps=above(1),
        ),
        Panel(
            "Faults at work",
            "0, unless somebody is breaking something on purpose. Each is drawn behind every panel while it lasts.",
            "none",
            (Query("sum(max by (fault, target) (faults_active)) or vector(0)", "faults"),),
            kind="stat",
            width=4,
            height=5,
            steps=above(1, "orange"),
        ),
        Panel(
            "Outcomes",
            "Mostly confirmed; declined cards are normal. provider_unavailable or expired means that payment does not"
            " get through.",
            "reqps",
            (Query("sum by (outcome) (rate(sagas_completed_total[$__rate_interval]))", "{{outcome}}"),),
            stacked=True,
        ),
        Panel(
            "Accepted and rejected orders",
            "Accepted follows the load. out_of_stock is the shop's own answer, not a fault.",
            "reqps",
            (
                Query("sum(rate(orders_accepted_total[$__rate_interval]))", "accepted"),
                Query("sum by (reason) (rate(orders_rejected_total[$__rate_interval]))", "{{reason}}"),
            ),
        ),
        Panel(
            "In flight",
            "A handful, and flat. What grows names the step that is stuck: waiting for payment, a charge, a mail.",
            "none",
            (
                Query("max by (state) (sagas_in_flight)", "order {{state}}"),
                Query("max by (kind) (effects_pending)", "{{kind}} to do"),
            ),
        ),
        Panel(
            "Time from order to outcome",
            "A dark band below a second. A second band above shows orders that had to wait for a fault to end.",
            "s",
            (Query("sum by (le) (increase(saga_duration_seconds_bucket[$__rate_interval]))", "{{le}}"),),
            kind="heatmap",
            width=12,
            height=9,
        ),
        Panel(
            "Duration of the steps",
            "The 90th percentile from an event to the event it causes. The step that rises is the one to look at.",
            "s",
            (Query(f"histogram_quantile(0.9, sum by (step, le) (rate({STEP})))", "{{step}}"),),
            width=12,
            height=9,
        ),
        Panel(
            "Compensations",
            "Follows declined and cancelled orders. Voided charges and refunds show money that was taken or might"
            " have been.",
            "reqps",
            (Query("sum by (step) (rate(saga_compensations_total[$__rate_interval]))", "{{step}}"),),
            width=6,
        ),
        Panel(
            "Harvest",
            "100 %: timelines hold every service's part. Less is an answer that is honest about what is missing.",
            "percentunit",
            (
                Query(
                    "sum(rate(timeline_harvest_ratio_sum[$__rate_interval])) /"
                    " sum(rate(timeline_harvest_ratio_count[$__rate_interval]))",
                    "harvest",
                ),
            ),
            width=6,
            maximum=1,
            steps=below(0.99),
        ),
        Panel(
            "Out of stock",
            "The share of orders that met an empty shelf: low, until a product sells out.",
            "percentunit",
            (
                Query(
                    'sum(rate(orders_rejected_total{reason="out_of_stock"}[$__rate_interval])) /'
                    " (sum(rate(orders_accepted_total[$__rate_interval])) +"
                    ' sum(rate(orders_rejected_total{reason="out_of_stock"}[$__rate_interval])))',
                    "out of stock",
                ),
            ),
            width=6,
            maximum=1,
        ),
        Panel(
            "Minutes since the last verify",
            "Whatever you like: the violations above are as old as this.",
            "m",
            (
                Query("(time() - max(verify_last_run_timestamp_seconds)) / 60", "age"),
                Query("max(verify_duration_seconds) / 60", "it took"),
            ),
            width=6,
        ),
    ),
)
