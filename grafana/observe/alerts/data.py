"""Are the databases, their replica and the cache well?"""

from observe.alerts.alert import PAST, Alert

POOL = 'service="order",instance="order",pool="api"'

ALERTS = (
    Alert(
        name="NoPrimary",
        expr="sum(patroni_primary) == 0",
        after="5s",
        severity="page",
        summary="no Postgres node leads: nothing can be written",
        board="data",
        fires={'patroni_primary{name="postgres-1"}': f"0+0{PAST}", 'patroni_primary{name="postgres-2"}': f"0+0{PAST}"},
        silent={'patroni_primary{name="postgres-1"}': f"1+0{PAST}", 'patroni_primary{name="postgres-2"}': f"0+0{PAST}"},
    ),
    Alert(
        name="NoSynchronousStandby",
        expr="sum(patroni_sync_standby) == 0",
        after="10s",
        severity="page",
        summary="no standby is synchronous: who loses the primary now loses what was acknowledged, or nobody can lead",
        board="data",
        fires={'patroni_sync_standby{name="postgres-1"}': f"0+0{PAST}"},
        silent={
            'patroni_sync_standby{name="postgres-1"}': f"0+0{PAST}",
            'patroni_sync_standby{name="postgres-2"}': f"1+0{PAST}",
        },
    ),
    Alert(
        name="ReplicaNotStreaming",
        expr="sum(patroni_postgres_streaming) == 0",
        after="10s",
        severity="ticket",
        summary="no replica gets the log: reads are the primary's, and grow old elsewhere",
        board="data",
        fires={'patroni_postgres_streaming{name="postgres-1"}': f"0+0{PAST}"},
        silent={
            'patroni_postgres_streaming{name="postgres-1"}': f"0+0{PAST}",
            'patroni_postgres_streaming{name="postgres-2"}': f"1+0{PAST}",
        },
    ),
    Alert(
        name="ReplicaLagHigh",
        expr="max(replica_lag_seconds) > 3",
        after="15s",
        severity="ticket",
        summary="the replica is {{ $value | humanizeDuration }} behind",
        board="data",
        fires={'replica_lag_seconds{service="order"}': f"8+0{PAST}"},
        silent={'replica_lag_seconds{service="order"}': f"0+0{PAST}"},
    ),
    Alert(
        name="ReplicaUnusable",
        expr="min by (service) (replica_usable) == 0",
        after="15s",
        severity="ticket",
        summary="{{ $labels.service }} reads from the primary, because the replica is away, failing or behind",
        board="data",
        fires={'replica_usable{service="order"}': f"0+0{PAST}"},
        silent={'replica_usable{service="order"}': f"1+0{PAST}"},
    ),
    Alert(
        name="PoolExhausted",
        expr="""max by (service, instance, pool) (
                    database_pool_in_use_connections / database_pool_limit_connections) >= 1
                or max by (service, instance, pool) (increase(database_pool_timeouts_total[1m])) > 0""",
        after="15s",
        severity="ticket",
        summary="{{ $labels.instance }} has no connection left in its pool {{ $labels.pool }}",
        board="data",
        fires={
            f"database_pool_in_use_connections{{{POOL}}}": f"10+0{PAST}",
            f"database_pool_limit_connections{{{POOL}}}": f"10+0{PAST}",
        },
        silent={
            f"database_pool_in_use_connections{{{POOL}}}": f"4+0{PAST}",
            f"database_pool_limit_connections{{{POOL}}}": f"10+0{PAST}",
            f"database_pool_timeouts_total{{{POOL}}}": f"0+0{PAST}",
        },
    ),
    Alert(
        name="CacheHitRatioLow",
        expr="""sum by (cache) (rate(cache_requests_total{result=~"hit|negative|absent"}[2m]))
                / sum by (cache) (rate(cache_requests_total[2m])) < 0.5
                and sum by (cache) (rate(cache_requests_total[2m])) > 1""",
        after="1m",
        severity="ticket",
        summary="the cache answers only {{ $value | humanizePercentage }} of the reads of {{ $labels.cache }}",
        board="data",
        fires={
            'cache_requests_total{cache="product",result="hit"}': f"0+2{PAST}",
            'cache_requests_total{cache="product",result="miss"}': f"0+20{PAST}",
        },
        silent={
            'cache_requests_total{cache="product",result="hit"}': f"0+20{PAST}",
            'cache_requests_total{cache="product",result="miss"}': f"0+2{PAST}",
        },
    ),
    Alert(
        name="RedisEvictions",
        expr="increase(redis_evicted_keys_total[5m]) > 0",
        after="0s",
        severity="ticket",
        summary="Redis threw {{ $value }} keys out within five minutes: it is too small for what is read",
        board="data",
        fires={"redis_evicted_keys_total": f"0+10{PAST}"},
        silent={"redis_evicted_keys_total": f"7+0{PAST}"},
    ),
    Alert(
        name="RedisAway",
        expr="sum by (service) (rate(redis_away_total[1m])) > 0.1 or min(redis_up) == 0",
        after="15s",
        severity="ticket",
        summary="Redis does not answer: reads are slower, and right",
        board="data",
        fires={"redis_up": f"0+0{PAST}"},
        silent={"redis_up": f"1+0{PAST}", 'redis_away_total{service="order"}': f"3+0{PAST}"},
    ),
)
