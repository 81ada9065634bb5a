"""Data: who leads, how far behind is the replica, and what do pools and the cache do?"""

from observe.boards.kit import Board
from observe.boards.panel import GREEN, RED, YELLOW, Panel, Query, above, below

RATE = "[$__rate_interval]"
OURS = 'service=~"$service"'

BOARD = Board(
    uid="data",
    title="Data",
    question="Who leads, how far behind is the replica, and what do pools and the cache do?",
    panels=(
        Panel(
            "Roles of the Postgres nodes",
            "One leads, the other is its synchronous standby. After a failover they have changed places.",
            "none",
            (
                Query(
                    "max by (name) (3 * patroni_primary + patroni_sync_standby + patroni_replica)",
                    "{{name}}",
                ),
            ),
            kind="state-timeline",
            width=12,
            states={
                "0": ("away", RED),
                "1": ("replica", YELLOW),
                "2": ("synchronous standby", GREEN),
                "3": ("primary", "blue"),
            },
        ),
        Panel(
            "Replica lag",
            "0 s: the heartbeat on the replica is as new as on the primary. Above 5 s nobody reads there.",
            "s",
            (Query(f"max by (service) (replica_lag_seconds{{{OURS}}})", "{{service}}"),),
            width=6,
            steps=above(3),
        ),
        Panel(
            "Log not replayed yet",
            "Below a few MiB.",
            "bytes",
            (Query(f"max by (service) (replica_lag_bytes{{{OURS}}})", "{{service}}"),),
            width=6,
        ),
        Panel(
            "Who reads from the replica",
            "Everybody. Primary: the replica is away, failing or too far behind; reads cost more and stay right.",
            "none",
            (Query(f"min by (instance) (replica_usable{{{OURS}}})", "{{instance}}"),),
            kind="state-timeline",
            states={"0": ("primary", YELLOW), "1": ("replica", GREEN)},
        ),
        Panel(
            "Reads by node and reason",
            "From the replica; on the primary only what must be fresh, and what was just written (behind).",
            "reqps",
            (
                Query(
                    f"sum by (role, reason) (rate(database_queries_total{{{OURS}}}{RATE}))",
                    "{{role}} {{reason}}",
                ),
            ),
        ),
        Panel(
            "Standbys",
            "One synchronous, one streaming. Timeline counts the changes of the lead.",
            "none",
            (
                Query("sum(patroni_sync_standby)", "synchronous"),
                Query("sum(patroni_postgres_streaming)", "streaming"),
                Query("max(patroni_postgres_timeline)", "timeline"),
            ),
        ),
        Panel(
            "Connections in use",
            "Well below 100 % of each pool. At 100 % the next one waits.",
            "percentunit",
            (
                Query(
                    f"max by (service, pool) (database_pool_in_use_connections{{{OURS}}} /"
                    f" database_pool_limit_connections{{{OURS}}})",
                    "{{service}} {{pool}}",
                ),
            ),
            maximum=1,
            steps=above(1),
        ),
        Panel(
            "Wait for a connection",
            "p95 below a millisecond.",
            "s",
            (
                Query(
                    f"histogram_quantile(0.95, sum by (service, pool, le)"
                    f" (rate(database_pool_wait_seconds_bucket{{{OURS}}}{RATE})))",
                    "{{service}} {{pool}}",
                ),
            ),
        ),
        Panel(
            "Waits for a connection that were given up",
            "0. Each was somebody's error.",
            "reqps",
            (
                Query(
                    f"sum by (service, pool) (rate(database_pool_timeouts_total{{{OURS}}}{RATE}))",
                    "{{service}} {{pool}}",
                ),
            ),
        ),
        Panel(
            "Reads that the cache answered",
            "Above 80 % once it is warm.",
            "percentunit",
            (
                Query(
                    f'sum by (cache) (rate(cache_requests_total{{{OURS},result=~"hit|negative|absent"}}{RATE})) /'
                    f" (sum by (cache) (rate(cache_requests_total{{{OURS}}}{RATE})) > 0)",
                    "{{cache}}",
                ),
            ),
            maximum=1,
            steps=below(0.5),
        ),
        Panel(
            "Reads through the cache",
            "Hits. behind: the reader had written since; away: Redis did not answer.",
            "reqps",
            (Query(f"sum by (result) (rate(cache_requests_total{{{OURS}}}{RATE}))", "{{result}}"),),
        ),
        Panel(
            "Time to load and to invalidate an entry",
            "p95 below 50 ms. Products change rarely: the second is of the last five minutes.",
            "s",
            (
                Query(
                    f"histogram_quantile(0.95, sum by (cache, le) (rate(cache_load_duration_seconds_bucket{RATE})))",
                    "load {{cache}}",
                ),
                Query(
                    "histogram_quantile(0.95, sum by (cache, le) (rate(cache_invalidation_age_seconds_bucket[5m])))",
                    "invalidate {{cache}}",
                ),
            ),
        ),
        Panel(
            "Redis memory",
            "Below its limit: above, keys that live longest without being read are thrown out.",
            "bytes",
            (
                Query("max(redis_memory_used_bytes)", "used"),
                Query("max(redis_memory_max_bytes)", "limit"),
            ),
        ),
        Panel(
            "Keys expired and evicted",
            "Expired follows the load. Evicted stays 0: else Redis is too small for what is read.",
            "reqps",
            (
                Query(f"sum(rate(redis_expired_keys_total{RATE}))", "expired"),
                Query(f"sum(rate(redis_evicted_keys_total{RATE}))", "evicted"),
            ),
        ),
        Panel(
            "Redis",
            "Up.",
            "none",
            (Query("min(redis_up)", "redis"),),
            kind="state-timeline",
            states={"0": ("away", RED), "1": ("up", GREEN)},
        ),
    ),
)
