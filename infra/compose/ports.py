"""The host ports of a project: the same block of 60 as natively, a variable for each, because Compose cannot add."""

from native.ports import OFFSETS, Ports

VARIABLES = {
    "EDGE_PORT": OFFSETS["edge"],
    "EDGE_METRICS_PORT": OFFSETS["edge-metrics"],
    "PROMETHEUS_PORT": OFFSETS["prometheus"],
    "REDIS_PORT": OFFSETS["redis"],
    "POSTGRES_1_PORT": OFFSETS["postgres-1"],
    "POSTGRES_2_PORT": OFFSETS["postgres-2"],
    "RABBITMQ_PORT": OFFSETS["rabbitmq"],
    "RABBITMQ_MANAGEMENT_PORT": OFFSETS["rabbitmq-management"],
    "PROVIDER_PORT": OFFSETS["provider"],
    "MAIL_PORT": OFFSETS["mailsink"],
    "MAIL_SMTP_PORT": OFFSETS["mailsink-smtp"],
    "GRAFANA_PORT": 14,
    "ALERTMANAGER_PORT": 15,
}


def block(base: int) -> dict[str, str]:
    """Every variable, for a block that begins at this port. Raises `StackError` for one that cannot be."""
    return {name: str(Ports(base).base + offset) for name, offset in VARIABLES.items()}
