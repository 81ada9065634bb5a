"""Is a dependency failing, and do the guards hold?"""

from observe.alerts.alert import PAST, Alert

WHERE = 'service="payment",dependency="provider"'

ALERTS = (
    Alert(
        name="CircuitBreakerOpen",
        expr="""max by (service, dependency) (circuit_breaker_state{state!="closed"}) > 0
                and sum by (service, dependency) (rate(guarded_calls_total[1m])) > 0""",
        after="5s",
        severity="ticket",
        summary="{{ $labels.service }} leaves {{ $labels.dependency }} alone: it fails or is too slow",
        board="resilience",
        fires={
            f'guarded_calls_total{{{WHERE},result="open"}}': f"0+5{PAST}",
            f'circuit_breaker_state{{{WHERE},state="open"}}': f"1+0{PAST}",
            f'circuit_breaker_state{{{WHERE},state="closed"}}': f"0+0{PAST}",
        },
        silent={
            f'guarded_calls_total{{{WHERE},result="ok"}}': f"0+5{PAST}",
            f'circuit_breaker_state{{{WHERE},state="open"}}': f"0+0{PAST}",
            f'circuit_breaker_state{{{WHERE},state="closed"}}': f"1+0{PAST}",
        },
    ),
    Alert(
        name="RetryAmplification",
        expr="""sum by (service, kind) (rate(effect_calls_total{result=~"done|retry"}[1m]))
                / sum by (service, kind) (rate(effect_calls_total{result="done"}[1m])) > 2""",
        after="30s",
        severity="ticket",
        summary="{{ $labels.service }} makes {{ $value }} calls for each {{ $labels.kind }} that succeeds",
        board="resilience",
        fires={
            'effect_calls_total{service="payment",kind="charge",result="retry"}': f"0+20{PAST}",
            'effect_calls_total{service="payment",kind="charge",result="done"}': f"0+5{PAST}",
        },
        silent={
            'effect_calls_total{service="payment",kind="charge",result="retry"}': f"0+1{PAST}",
            'effect_calls_total{service="payment",kind="charge",result="done"}': f"0+20{PAST}",
        },
    ),
    Alert(
        name="BulkheadSaturated",
        expr="max by (service, dependency) (bulkhead_in_use / bulkhead_limit) >= 1",
        after="15s",
        severity="ticket",
        summary="all of {{ $labels.service }}'s calls to {{ $labels.dependency }} are taken",
        board="resilience",
        fires={f"bulkhead_in_use{{{WHERE}}}": f"32+0{PAST}", f"bulkhead_limit{{{WHERE}}}": f"32+0{PAST}"},
        silent={f"bulkhead_in_use{{{WHERE}}}": f"3+0{PAST}", f"bulkhead_limit{{{WHERE}}}": f"32+0{PAST}"},
    ),
)
