"""Metrics of the servers that panels and rules read. They are their makers'; what they mean to us is said here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Foreign:
    """One metric of somebody else's."""

    name: str
    source: str
    meaning: str
    kind: str = "gauge"


FOREIGN = (
    Foreign("up", "Prometheus", "1 where the last scrape of a target succeeded."),
    Foreign("ALERTS", "Prometheus", "1 for every alert that is pending or firing."),
    Foreign("process_cpu_seconds_total", "the services", "CPU time a service has used.", "counter"),
    Foreign("process_resident_memory_bytes", "the services", "Memory a service holds."),
    Foreign("haproxy_frontend_http_requests_total", "edge", "Requests that came to the edge.", "counter"),
    Foreign("haproxy_frontend_http_responses_total", "edge", "Answers of the edge, by class of status.", "counter"),
    Foreign("haproxy_backend_active_servers", "edge", "Instances of a service that the edge sends requests to."),
    Foreign(
        "haproxy_backend_retry_warnings_total", "edge", "Requests that the edge has sent a second time.", "counter"
    ),
    Foreign("rabbitmq_detailed_queue_messages", "RabbitMQ", "Messages in a queue, delivered ones included."),
    Foreign("rabbitmq_detailed_queue_messages_ready", "RabbitMQ", "Messages in a queue that nobody has yet."),
    Foreign("rabbitmq_detailed_queue_messages_unacked", "RabbitMQ", "Messages that a consumer has not acknowledged."),
    Foreign("rabbitmq_detailed_queue_consumers", "RabbitMQ", "Consumers of a queue, active and waiting."),
    Foreign("rabbitmq_process_resident_memory_bytes", "RabbitMQ", "Memory the broker holds."),
    Foreign("rabbitmq_resident_memory_limit_bytes", "RabbitMQ", "Memory above which it blocks publishers."),
    Foreign("rabbitmq_disk_space_available_bytes", "RabbitMQ", "Free disk."),
    Foreign("rabbitmq_disk_space_available_limit_bytes", "RabbitMQ", "Free disk below which it blocks publishers."),
    Foreign("rabbitmq_alarms_memory_used_watermark", "RabbitMQ", "1 while publishers are blocked for memory."),
    Foreign("rabbitmq_alarms_free_disk_space_watermark", "RabbitMQ", "1 while publishers are blocked for disk."),
    Foreign(
        "rabbitmq_raft_entry_commit_latency_seconds",
        "RabbitMQ up to 4.1",
        "Time until a quorum queue's entry is on disk.",
    ),
    Foreign(
        "rabbitmq_raft_max_commit_latency_seconds", "RabbitMQ from 4.2", "The same, of the queue that takes longest."
    ),
    Foreign("redis_memory_used_bytes", "Redis", "Memory that keys and clients take."),
    Foreign("redis_memory_max_bytes", "Redis", "Memory above which keys are evicted."),
    Foreign("redis_evicted_keys_total", "Redis", "Keys thrown out because memory was short.", "counter"),
    Foreign("redis_expired_keys_total", "Redis", "Keys whose time was over.", "counter"),
    Foreign("redis_up", "Redis", "1 while Redis answers its exporter."),
    Foreign("patroni_primary", "Patroni", "1 for the node that leads."),
    Foreign("patroni_replica", "Patroni", "1 for a node that follows."),
    Foreign("patroni_sync_standby", "Patroni", "1 for the standby that commits wait for."),
    Foreign("patroni_postgres_streaming", "Patroni", "1 for a standby that gets the log as it is written."),
    Foreign("patroni_postgres_timeline", "Patroni", "How often the lead has changed, plus one."),
)
