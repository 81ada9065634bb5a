"""The host ports of a project: the same block of 60 as natively, a variable for each, because Compose cannot add."""

from native.ports import OFFSETS, Ports

# variable -> (service, its own port, offset in the block)
PUBLISHED = {
    "EDGE_PORT": ("edge", 8080, OFFSETS["edge"]),
    "EDGE_METRICS_PORT": ("edge", 8404, OFFSETS["edge-metrics"]),
    "PROMETHEUS_PORT": ("prometheus", 9090, OFFSETS["prometheus"]),
    "REDIS_PORT": ("redis", 6379, OFFSETS["redis"]),
    "POSTGRES_1_PORT": ("postgres-1", 5432, OFFSETS["postgres-1"]),
    "POSTGRES_2_PORT": ("postgres-2", 5432, OFFSETS["postgres-2"]),
    "RABBITMQ_PORT": ("rabbitmq", 5672, OFFSETS["rabbitmq"]),
    "RABBITMQ_MANAGEMENT_PORT": ("rabbitmq", 15672, OFFSETS["rabbitmq-management"]),
    "PROVIDER_PORT": ("provider", 8080, OFFSETS["provider"]),
    "MAIL_PORT": ("mail", 8025, OFFSETS["mailsink"]),
    "MAIL_SMTP_PORT": ("mail", 1025, OFFSETS["mailsink-smtp"]),
    "GRAFANA_PORT": ("grafana", 3000, 14),
    "ALERTMANAGER_PORT": ("alertmanager", 9093, OFFSETS["alertmanager"]),
    "PUSHGATEWAY_PORT": ("pushgateway", 9091, OFFSETS["pushgateway"]),
    "LOADTEST_PORT": ("loadtest", 8089, 19),
}
OPTIONAL = {"grafana", "loadtest"}  # only where COMPOSE_PROFILES names them


def block(base: int) -> dict[str, str]:
    """Every variable, for a block that begins at this port. Raises `StackError` for one that cannot be."""
    return {variable: str(Ports(base).base + offset) for variable, (_, _, offset) in PUBLISHED.items()}
