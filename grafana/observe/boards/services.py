"""Services: which one is slow, failing, or short of time?"""

from observe.boards.kit import Board
from observe.boards.panel import GREEN, RED, Panel, Query, above, below

HTTP = "http_server_request_duration_seconds"
OURS = 'service=~"$service"'
RATE = "[$__rate_interval]"


def quantile(share: float) -> Query:
    """Of all requests, by service."""
    expr = f"histogram_quantile({share}, sum by (service, le) (rate({HTTP}_bucket{{{OURS}}}{RATE})))"
    return Query(expr, f"{{{{service}}}} p{share * 100:g}")


BOARD = Board(
    uid="services",
    title="Services",
    question="Which service is slow, failing, or short of time?",
    panels=(
        Panel(
            "Requests",
            "Follows the load; order has most of it.",
            "reqps",
            (Query(f"sum by (service, route) (rate({HTTP}_count{{{OURS}}}{RATE})) > 0", "{{service}} {{route}}"),),
        ),
        Panel(
            "Failed requests",
            "0. Errors of ours (5xx) only: 503 is a refusal and is beside this.",
            "reqps",
            (
                Query(
                    f'sum by (service) (rate({HTTP}_count{{{OURS},status=~"5..",status!="503"}}{RATE}))',
                    "{{service}}",
                ),
            ),
            steps=above(0.1),
        ),
        Panel(
            "Refused requests",
            "0 below capacity. rate (429): one customer asks too much; overload and backlog (503): the service sheds"
            " load before it does any work.",
            "reqps",
            (
                Query(
                    f"sum by (service, reason) (rate(http_requests_refused_total{{{OURS}}}{RATE}))",
                    "{{service}} {{reason}}",
                ),
            ),
        ),
        Panel(
            "Duration",
            "p50 and p95 far below 300 ms, the objective for orders.",
            "s",
            (quantile(0.5), quantile(0.95)),
            steps=above(0.3),
        ),
        Panel(
            "Event loop lag",
            "Below 25 ms. A loop that comes back late has more to do than its core can: everything it does is slow.",
            "s",
            (
                Query(
                    "histogram_quantile(0.9, sum by (instance, le)"
                    f" (rate(event_loop_lag_seconds_bucket{{{OURS}}}{RATE})))",
                    "{{instance}}",
                ),
            ),
            steps=above(0.25),
        ),
        Panel(
            "Requests being answered",
            "A few, below the limit. They climb when answers wait for something; then the limit falls by itself.",
            "none",
            (
                Query(f"sum by (service) (http_server_active_requests{{{OURS}}})", "{{service}}"),
                Query(f"sum by (service) (http_concurrency_limit{{{OURS}}})", "{{service}} limit"),
            ),
        ),
        Panel(
            "CPU",
            "Below one core each: a process has one event loop.",
            "percentunit",
            (Query(f'rate(process_cpu_seconds_total{{job="services",{OURS}}}{RATE})', "{{instance}}"),),
            steps=above(0.9),
        ),
        Panel(
            "Memory",
            "Flat, about 100 MiB each.",
            "bytes",
            (Query(f'process_resident_memory_bytes{{job="services",{OURS}}}', "{{instance}}"),),
        ),
        Panel(
            "Transactions run again",
            "0, but for a failover, when each command waits for the new primary.",
            "reqps",
            (Query(f"sum by (service) (rate(transaction_retries_total{{{OURS}}}{RATE}))", "{{service}}"),),
        ),
        Panel(
            "Instances that answer Prometheus",
            "All up, all the time.",
            "none",
            (Query(f'max by (instance) (up{{job="services",{OURS}}})', "{{instance}}"),),
            kind="state-timeline",
            states={"0": ("down", RED), "1": ("up", GREEN)},
        ),
        Panel(
            "Answers of the edge",
            "2xx, and what customers do wrong (4xx). 5xx at the edge is what customers really see, and what the"
            " objective availability counts.",
            "reqps",
            (
                Query(
                    f'sum by (code) (rate(haproxy_frontend_http_responses_total{{proxy="edge"}}{RATE}))',
                    "{{code}}",
                ),
                Query(f'sum(rate(haproxy_frontend_http_requests_total{{proxy="edge"}}{RATE}))', "asked"),
            ),
        ),
        Panel(
            "Instances behind the edge",
            "As many as there are replicas. None means that customers get 503.",
            "none",
            (
                Query(
                    'min by (proxy) (haproxy_backend_active_servers{proxy=~"order|payment|notification"})', "{{proxy}}"
                ),
                Query(f"sum(rate(haproxy_backend_retry_warnings_total{RATE}))", "sent again per second"),
            ),
            steps=below(1),
        ),
        Panel(
            "Slowest routes",
            "The 95th percentile of the last five minutes, by route.",
            "s",
            (
                Query(
                    "topk(8, histogram_quantile(0.95, sum by (service, method, route, le)"
                    f" (rate({HTTP}_bucket{{{OURS}}}[5m]))) > 0)",
                ),
            ),
            kind="table",
            width=12,
        ),
        Panel(
            "What runs",
            "One version everywhere, but during a rolling deployment.",
            "none",
            (Query(f"count by (service, version, python) (build_info{{{OURS}}})"),),
            kind="table",
            width=12,
        ),
    ),
)
