"""Does everything answer?"""

from observe.alerts.alert import PAST, Alert, Situation

ORDER = 'up{job="services",service="order",instance="10.0.0.%d:8081"}'
STAYS, GOES = f"1+0{PAST}", "1+0x20 stale"  # the second is gone after a minute and three quarters

ALERTS = (
    Alert(
        name="LoadShed",
        expr='sum by (service, reason) (rate(http_requests_refused_total{reason!="rate"}[1m])) > 1',
        after="15s",
        severity="ticket",
        summary="{{ $labels.service }} refuses {{ $value }} requests a second ({{ $labels.reason }})",
        board="services",
        fires={'http_requests_refused_total{service="order",reason="overload"}': f"0+20{PAST}"},
        silent={'http_requests_refused_total{service="order",reason="rate"}': f"0+20{PAST}"},
    ),
    Alert(
        name="TargetDown",
        expr='up{job!="load"} == 0',
        after="15s",
        severity="page",
        summary="{{ $labels.instance }} ({{ $labels.job }}) does not answer Prometheus",
        board="services",
        fires={'up{job="services",instance="order"}': f"0+0{PAST}"},
        silent={'up{job="services",instance="order"}': f"1+0{PAST}", 'up{job="load",instance="load"}': f"0+0{PAST}"},
    ),
    # A target that Docker's DNS no longer names has no `up` that could be 0: there are fewer than there were. "Were" is
    # for half a minute: one that comes back with another address counts twice until Prometheus lets go of the old one.
    # "No longer" is for half a minute, too: that long an instance may take to be replaced.
    Alert(
        name="InstanceGone",
        expr="""max_over_time(min_over_time(service:up:count[30s])[10m:15s])
                - (service:up:count or 0 * max_over_time(service:up:count[10m])) > 0""",
        after="30s",
        severity="page",
        summary="{{ $labels.service }} lacks {{ $value }} of the instances that it had within ten minutes",
        board="services",
        fires={ORDER % 2: STAYS, ORDER % 3: GOES},
        silent={
            ORDER % 2: STAYS,
            ORDER % 3: GOES,
            ORDER % 4: f"_x18 {STAYS}",  # the same instance, which has come back
            'up{job="services",service="payment",instance="payment"}': f"1+0x20 0+0{PAST}",  # TargetDown's
            'up{job="load",instance="10.0.0.9:9646"}': GOES,
        },
        more=(
            Situation("fires when none is left", {ORDER % 2: GOES}, fires=True),
            Situation(
                "fires while one comes and goes",
                {ORDER % 2: STAYS, ORDER % 3: f"{GOES} _x9 1+0x1 stale"},
                fires=True,
                tested_at="3m25s",
            ),
            Situation(
                "stays silent while one is replaced",
                {ORDER % 2: GOES, ORDER % 3: f"_x25 {STAYS}"},
                fires=False,
                tested_at="2m",
            ),
            Situation(
                "still fires before ten minutes have passed",
                {ORDER % 2: "1+0x180", ORDER % 3: GOES},
                fires=True,
                tested_at="11m",
            ),
            Situation(
                "ends by itself after ten minutes",
                {ORDER % 2: "1+0x180", ORDER % 3: GOES},
                fires=False,
                tested_at="12m30s",
            ),
        ),
    ),
    Alert(
        name="BackendWithoutServer",
        expr='haproxy_backend_active_servers{proxy=~"order|payment|notification"} == 0',
        after="10s",
        severity="page",
        summary="the edge has no ready instance of {{ $labels.proxy }}",
        board="services",
        fires={'haproxy_backend_active_servers{proxy="order"}': f"0+0{PAST}"},
        silent={
            'haproxy_backend_active_servers{proxy="order"}': f"1+0{PAST}",
            'haproxy_backend_active_servers{proxy="order_load"}': f"0+0{PAST}",
        },
    ),
    Alert(
        name="EventLoopLagHigh",
        expr="""histogram_quantile(0.9, sum by (service, instance, le) (rate(event_loop_lag_seconds_bucket[1m])))
                > 0.25""",
        after="1m",
        severity="ticket",
        summary="{{ $labels.instance }} comes back to its work {{ $value | humanizeDuration }} too late",
        board="services",
        fires={
            'event_loop_lag_seconds_bucket{instance="order",le="0.25"}': f"0+1{PAST}",
            'event_loop_lag_seconds_bucket{instance="order",le="0.5"}': f"0+8{PAST}",
            'event_loop_lag_seconds_bucket{instance="order",le="+Inf"}': f"0+10{PAST}",
        },
        silent={
            'event_loop_lag_seconds_bucket{instance="order",le="0.01"}': f"0+10{PAST}",
            'event_loop_lag_seconds_bucket{instance="order",le="+Inf"}': f"0+10{PAST}",
        },
    ),
)
