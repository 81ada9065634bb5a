"""Does everything answer?"""

from observe.alerts.alert import PAST, Alert

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
