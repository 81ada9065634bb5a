"""Is a promise to a customer about to be broken, or broken already?"""

from observe.alerts.alert import PAST, Alert

ALERTS = (
    Alert(
        name="SagaStuck",
        expr='max(sagas_in_flight{state="overdue"}) > 0',
        after="1m",
        severity="page",
        summary="{{ $value }} orders are past their expiry and still without an outcome",
        board="overview",
        fires={'sagas_in_flight{state="overdue",instance="order"}': f"2+0{PAST}"},
        silent={'sagas_in_flight{state="waiting",instance="order"}': f"900+0{PAST}"},
    ),
    Alert(
        name="CompensationRatioHigh",
        expr="""sum(rate(saga_compensations_total{step="release_stock"}[2m]))
                / sum(rate(orders_accepted_total[2m])) > 0.3
                and sum(rate(orders_accepted_total[2m])) > 0.2""",
        after="1m",
        severity="ticket",
        summary="{{ $value | humanizePercentage }} of the orders are cancelled",
        board="overview",
        fires={
            'saga_compensations_total{step="release_stock"}': f"0+5{PAST}",
            "orders_accepted_total": f"0+10{PAST}",
        },
        silent={
            'saga_compensations_total{step="release_stock"}': f"0+1{PAST}",
            "orders_accepted_total": f"0+10{PAST}",
        },
    ),
    Alert(
        name="InvariantViolated",
        expr="max by (invariant) (verify_invariant_violations) > 0",
        after="0s",
        severity="page",
        summary="verify found {{ $value }} that break invariant {{ $labels.invariant }}",
        board="overview",
        fires={'verify_invariant_violations{invariant="3"}': f"1+0{PAST}"},
        silent={'verify_invariant_violations{invariant="3"}': f"0+0{PAST}"},
    ),
)
