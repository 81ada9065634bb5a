"""Load test: what was asked, what came back, and how long that took as the customer sees it."""

from observe.boards.kit import Board
from observe.boards.panel import Panel, Query, above

RATE = "[$__rate_interval]"
CLIENT = f"sum by (le) (rate(loadtest_request_duration_seconds_bucket{RATE}))"
SERVER = f'sum by (le) (rate(http_server_request_duration_seconds_bucket{{service="order"}}{RATE}))'

BOARD = Board(
    uid="load-test",
    title="Load test",
    question="What was asked, what came back, and how long did that take as the customer sees it?",
    panels=(
        Panel(
            "Offered and achieved",
            "The same line twice. Where achieved falls below offered, the shop or the generator is full.",
            "reqps",
            (
                Query(f"sum(rate(loadtest_requests_offered_total{RATE}))", "offered"),
                Query(f'sum(rate(loadtest_requests_total{{result="ok"}}{RATE}))', "achieved"),
            ),
            width=12,
        ),
        Panel(
            "Answers",
            "ok. refused is the shop protecting itself; failed and timeout are what a fault looks like from outside.",
            "reqps",
            (Query(f"sum by (result) (rate(loadtest_requests_total{RATE}))", "{{result}}"),),
            width=12,
            stacked=True,
        ),
        Panel(
            "Time as the customer sees it",
            "From when a request was due: a generator that waits for a slow shop cannot hide it.",
            "s",
            (
                Query(f"histogram_quantile(0.5, {CLIENT})", "p50"),
                Query(f"histogram_quantile(0.95, {CLIENT})", "p95"),
                Query(f"histogram_quantile(0.99, {CLIENT})", "p99"),
            ),
            steps=above(0.3),
        ),
        Panel(
            "Customer's time minus the service's",
            "A few milliseconds at p95, beside the order service: the edge, the network, waiting to be taken on.",
            "s",
            (Query(f"histogram_quantile(0.95, {CLIENT}) - histogram_quantile(0.95, {SERVER})", "p95"),),
            minimum=None,
        ),
        Panel(
            "Requests that wait for an answer",
            "Flat. A steep rise is a shop that does not answer.",
            "none",
            (Query("sum(loadtest_active_requests)", "waiting"),),
        ),
        Panel(
            "Dropped by the generator",
            "0. Otherwise the numbers above are the generator's, not the shop's: give it more cores.",
            "reqps",
            (Query(f"sum(rate(loadtest_requests_dropped_total{RATE}))", "dropped"),),
            steps=above(0.1),
            width=12,
        ),
        Panel(
            "Orders confirmed of those accepted",
            "As many as the cards allow, delayed by the saga. It stays low when the saga cannot follow the load.",
            "reqps",
            (
                Query(f"sum(rate(orders_accepted_total{RATE}))", "accepted"),
                Query(f'sum(rate(sagas_completed_total{{outcome="confirmed"}}{RATE}))', "confirmed"),
            ),
            width=12,
        ),
    ),
)
