"""Do events arrive, in time, everywhere?"""

from observe.alerts.alert import PAST, Alert

QUEUE = 'vhost="orders",queue="payment.p00"'
DEEP, SHALLOW = f"400+0{PAST}", f"2+0{PAST}"
AGE = 'message_age_seconds_bucket{service="payment",vhost="orders"'

ALERTS = (
    Alert(
        name="OutboxStalled",
        expr="max by (service) (outbox_oldest_age_seconds) > 15",
        after="15s",
        severity="page",
        summary="{{ $labels.service }} has not published an event for {{ $value | humanizeDuration }}",
        board="messaging",
        fires={'outbox_oldest_age_seconds{service="order"}': f"60+5{PAST}"},
        silent={'outbox_oldest_age_seconds{service="order"}': f"0 1 0 2 0+0{PAST}"},
    ),
    Alert(
        name="EffectsStalled",
        expr="max by (service, kind) (effects_oldest_age_seconds) > 30",
        after="15s",
        severity="ticket",
        summary="a {{ $labels.kind }} of {{ $labels.service }} has waited for {{ $value | humanizeDuration }}",
        board="resilience",
        fires={'effects_oldest_age_seconds{service="payment",kind="charge"}': f"60+5{PAST}"},
        silent={'effects_oldest_age_seconds{service="payment",kind="charge"}': f"3+0{PAST}"},
    ),
    Alert(
        name="MessageAgeHigh",
        expr="""histogram_quantile(0.9, sum by (service, vhost, le) (rate(message_age_seconds_bucket[1m]))) > 5""",
        after="30s",
        severity="ticket",
        summary="{{ $labels.service }} handles events of {{ $labels.vhost }} {{ $value | humanizeDuration }} late",
        board="messaging",
        fires={
            AGE + ',le="5.0"}': f"0+1{PAST}",
            AGE + ',le="10.0"}': f"0+10{PAST}",
            AGE + ',le="+Inf"}': f"0+10{PAST}",
        },
        silent={AGE + ',le="0.05"}': f"0+10{PAST}", AGE + ',le="+Inf"}': f"0+10{PAST}"},
    ),
    Alert(
        name="PartitionSkew",
        expr="""max by (vhost, consumer) (queue:messages_ready:partition)
                > 2.5 * avg by (vhost, consumer) (queue:messages_ready:partition)
                and max by (vhost, consumer) (queue:messages_ready:partition) > 100""",
        after="30s",
        severity="ticket",
        summary="one partition of {{ $labels.consumer }} ({{ $labels.vhost }}) has {{ $value }} messages, others few",
        board="messaging",
        fires={
            'rabbitmq_detailed_queue_messages_ready{vhost="orders",queue="payment.p00"}': DEEP,
            'rabbitmq_detailed_queue_messages_ready{vhost="orders",queue="payment.p01"}': SHALLOW,
            'rabbitmq_detailed_queue_messages_ready{vhost="orders",queue="payment.p02"}': SHALLOW,
            'rabbitmq_detailed_queue_messages_ready{vhost="orders",queue="payment.p03"}': SHALLOW,
        },
        silent={
            'rabbitmq_detailed_queue_messages_ready{vhost="orders",queue="payment.p00"}': DEEP,
            'rabbitmq_detailed_queue_messages_ready{vhost="orders",queue="payment.p01"}': DEEP,
        },
    ),
    Alert(
        name="ParkedMessages",
        expr="max by (service) (parked_messages) > 0",
        after="0s",
        severity="ticket",
        summary="{{ $value }} events or effects of {{ $labels.service }} wait for a person",
        board="messaging",
        fires={'parked_messages{service="order"}': f"1+0{PAST}"},
        silent={'parked_messages{service="order"}': f"0+0{PAST}"},
    ),
    Alert(
        name="DeadLetters",
        expr='max by (vhost, queue) (rabbitmq_detailed_queue_messages{queue=~".+[.]dead"}) > 0',
        after="1m",
        severity="ticket",
        summary="{{ $value }} dead letters in {{ $labels.queue }} of {{ $labels.vhost }}, and nobody parks them",
        board="messaging",
        fires={'rabbitmq_detailed_queue_messages{vhost="orders",queue="payment.dead"}': f"3+0{PAST}"},
        silent={'rabbitmq_detailed_queue_messages{vhost="orders",queue="payment.p00"}': f"3+0{PAST}"},
    ),
    Alert(
        name="QueueWithoutConsumer",
        expr="max by (vhost, queue) (rabbitmq_detailed_queue_consumers) == 0",
        after="15s",
        severity="page",
        summary="nobody consumes {{ $labels.queue }} in {{ $labels.vhost }}",
        board="messaging",
        fires={f"rabbitmq_detailed_queue_consumers{{{QUEUE}}}": f"0+0{PAST}"},
        silent={f"rabbitmq_detailed_queue_consumers{{{QUEUE}}}": f"1+0{PAST}"},
    ),
    Alert(
        name="UnroutableMessages",
        expr='sum by (service, type) (increase(messages_published_total{result="returned"}[5m])) > 0',
        after="0s",
        severity="page",
        summary="{{ $labels.type }} of {{ $labels.service }} has a subscriber without a binding: it is held back",
        board="messaging",
        fires={'messages_published_total{service="order",type="order.placed.v1",result="returned"}': f"0+1{PAST}"},
        silent={'messages_published_total{service="order",type="order.placed.v1",result="confirmed"}': f"0+9{PAST}"},
    ),
    Alert(
        name="BrokerAlarm",
        expr="""max(rabbitmq_alarms_memory_used_watermark) > 0 or max(rabbitmq_alarms_free_disk_space_watermark) > 0""",
        after="0s",
        severity="page",
        summary="RabbitMQ blocks everybody who publishes: memory or disk is short",
        board="messaging",
        fires={"rabbitmq_alarms_memory_used_watermark": f"1+0{PAST}"},
        silent={
            "rabbitmq_alarms_memory_used_watermark": f"0+0{PAST}",
            "rabbitmq_alarms_free_disk_space_watermark": f"0+0{PAST}",
        },
    ),
    Alert(
        name="BrokerMemoryHigh",
        expr="max(rabbitmq_process_resident_memory_bytes / rabbitmq_resident_memory_limit_bytes) > 0.8",
        after="1m",
        severity="ticket",
        summary="RabbitMQ has used {{ $value | humanizePercentage }} of what it may before it blocks publishers",
        board="messaging",
        fires={
            "rabbitmq_process_resident_memory_bytes": f"900+0{PAST}",
            "rabbitmq_resident_memory_limit_bytes": f"1000+0{PAST}",
        },
        silent={
            "rabbitmq_process_resident_memory_bytes": f"300+0{PAST}",
            "rabbitmq_resident_memory_limit_bytes": f"1000+0{PAST}",
        },
    ),
)
