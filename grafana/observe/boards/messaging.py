"""Messaging: do events arrive, in time, and evenly?"""

from observe.boards.kit import Board
from observe.boards.panel import Panel, Query, above, below

RATE = "[$__rate_interval]"
READY = "queue:messages_ready:partition"
AGES = f"sum by (service, vhost, le) (rate(message_age_seconds_bucket{RATE}))"
DRAINED = f"clamp_min(sum by (vhost) (rate(messages_processed_total{RATE})), 0.01)"

BOARD = Board(
    uid="messaging",
    title="Messaging",
    question="Do events arrive, in time, and evenly? If not: is it the outbox, the broker, or a consumer?",
    panels=(
        Panel(
            "Age of an event when it was handled",
            "p50 and p95 below a second, from commit to commit. It is the sum of outbox, broker and consumer.",
            "s",
            (
                Query(f"histogram_quantile(0.5, {AGES})", "{{vhost}} to {{service}} p50"),
                Query(f"histogram_quantile(0.95, {AGES})", "p95 {{vhost}} to {{service}}"),
            ),
            steps=above(5),
            width=12,
        ),
        Panel(
            "Messages waiting",
            "Near 0. A subscriber whose line grows is slow, frozen or gone; the others do not notice.",
            "none",
            (Query(f"sum by (vhost, consumer) ({READY})", "{{vhost}} for {{consumer}}"),),
            width=12,
        ),
        Panel(
            "Messages waiting by partition",
            "Pale all over. One dark row is one stuck partition; a dark block is a whole subscriber.",
            "none",
            (
                Query(
                    'sum by (queue, vhost) (rabbitmq_detailed_queue_messages_ready{queue=~".+[.]p[0-9]+"})',
                    "{{queue}} {{vhost}}",
                ),
            ),
            kind="heatmap",
            width=12,
            height=10,
        ),
        Panel(
            "Skew",
            "1 where all partitions are equally long; 4 where one of four has everything.",
            "none",
            (
                Query(
                    f"max by (vhost, consumer) ({READY}) / (avg by (vhost, consumer) ({READY}) > 0) or"
                    f" 1 + 0 * max by (vhost, consumer) ({READY})",
                    "{{vhost}} for {{consumer}}",
                ),
            ),
            width=6,
            height=10,
            steps=above(2.5),
        ),
        Panel(
            "Time to drain",
            "Seconds: what waits, at the present pace. Longer than an order's expiry means that orders will expire.",
            "s",
            (Query(f"sum by (vhost) ({READY}) / {DRAINED}", "{{vhost}}"),),
            width=6,
            height=10,
            steps=above(60),
        ),
        Panel(
            "Published",
            "Confirmed only. nacked: the broker refused; returned: a subscriber has no binding.",
            "reqps",
            (Query(f"sum by (service, result) (rate(messages_published_total{RATE}))", "{{service}} {{result}}"),),
        ),
        Panel(
            "Handled",
            "ok. Duplicates are normal after a crash and cost nothing; retry and parked name a handler that fails.",
            "reqps",
            (Query(f"sum by (service, result) (rate(messages_processed_total{RATE}))", "{{service}} {{result}}"),),
        ),
        Panel(
            "Events per transaction",
            "1 at low load, up to 50 when there is much to do: larger batches are cheaper.",
            "none",
            (
                Query(
                    f"sum by (service) (rate(consumer_batch_size_events_sum{RATE})) /"
                    f" sum by (service) (rate(consumer_batch_size_events_count{RATE}))",
                    "{{service}}",
                ),
            ),
        ),
        Panel(
            "Oldest event in an outbox",
            "Below a second. It grows when the broker is away or refuses; nothing is lost meanwhile.",
            "s",
            (Query("max by (service) (outbox_oldest_age_seconds)", "{{service}}"),),
            steps=above(15),
        ),
        Panel(
            "Events in an outbox",
            "A handful. Blocked orders are those whose next event the broker refused.",
            "none",
            (
                Query("max by (service) (outbox_pending_events)", "{{service}}"),
                Query("max by (service) (outbox_blocked_orders)", "{{service}} blocked orders"),
            ),
        ),
        Panel(
            "Age when confirmed by the broker",
            "p95 below 100 ms: the outbox' share of an event's age.",
            "s",
            (
                Query(
                    f"histogram_quantile(0.95, sum by (vhost, le) (rate(outbox_publish_age_seconds_bucket{RATE})))",
                    "{{vhost}}",
                ),
            ),
        ),
        Panel(
            "Delivered and not acknowledged",
            "What consumers have in hand: at most a batch or two each. What stays is in the hands of somebody frozen.",
            "none",
            (Query("sum by (vhost) (rabbitmq_detailed_queue_messages_unacked)", "{{vhost}}"),),
            width=12,
        ),
        Panel(
            "Put aside for a person",
            "0. Parked events wait; the later events of their orders wait behind them (quarantined).",
            "none",
            (
                Query("max by (service) (parked_messages)", "{{service}} parked"),
                Query("max by (service) (quarantined_orders)", "{{service}} quarantined orders"),
                Query('sum(rabbitmq_detailed_queue_messages{queue=~".+[.]dead"})', "dead letters"),
            ),
            steps=above(1),
            width=12,
        ),
        Panel(
            "Parked per minute",
            "0. A burst is a bug in a handler or in somebody's events.",
            "none",
            (Query("sum by (service, type) (rate(messages_parked_total[1m])) * 60", "{{service}} {{type}}"),),
        ),
        Panel(
            "Consumers of the queue with the fewest",
            "At least 1 per queue, else it only fills. The rest waits to take over.",
            "none",
            (Query("min by (vhost) (rabbitmq_detailed_queue_consumers)", "{{vhost}}"),),
            steps=below(1),
        ),
        Panel(
            "Broker memory",
            "Far below its limit: above, everybody who publishes is blocked.",
            "bytes",
            (
                Query("max(rabbitmq_process_resident_memory_bytes)", "used"),
                Query("max(rabbitmq_resident_memory_limit_bytes)", "limit"),
            ),
        ),
        Panel(
            "Broker disk",
            "Far above its limit: below, everybody who publishes is blocked.",
            "bytes",
            (
                Query("min(rabbitmq_disk_space_available_bytes)", "free"),
                Query("max(rabbitmq_disk_space_available_limit_bytes)", "limit"),
            ),
        ),
        Panel(
            "Time until a queue's entry is on disk",
            "A few milliseconds. It is the disk's: when it rises, every publish and every acknowledgement is slower.",
            "s",
            (
                Query(
                    "max(rabbitmq_raft_entry_commit_latency_seconds or rabbitmq_raft_max_commit_latency_seconds)",
                    "Raft commit",
                ),
            ),
            steps=above(0.1),
        ),
    ),
)
