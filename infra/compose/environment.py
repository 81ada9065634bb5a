"""What tools and shells are told about a project: the variables that `python -m native env` prints too."""

from compose import before
from compose.project import Project
from native.ports import HOST

URLS = {
    "EDGE_PORT": "the shop's API",
    "GRAFANA_PORT": "dashboards",
    "PROMETHEUS_PORT": "metrics",
    "RABBITMQ_MANAGEMENT_PORT": "the broker's management (user monitor)",
    "PROVIDER_PORT": "the payment provider's simulator",
    "MAIL_PORT": "the mails that were sent",
    "EDGE_METRICS_PORT": "the edge's statistics",
}


def variables(project: Project) -> dict[str, str]:
    """The whole stack's addresses. Which Postgres node leads is asked of the nodes by whoever needs to know."""
    port = project.port
    gateway = project.published.get("PUSHGATEWAY_PORT")  # nobody's work needs it: it may be away
    return {
        "QUICKSAND_STACK": project.name,
        "QUICKSAND_SECRETS": str(before.secrets_directory().resolve()),
        "EDGE_URL": f"http://{HOST}:{port('EDGE_PORT')}",
        "EDGE_METRICS_URL": f"http://{HOST}:{port('EDGE_METRICS_PORT')}",
        "PROMETHEUS_URL": f"http://{HOST}:{port('PROMETHEUS_PORT')}",
        **({"PUSHGATEWAY_URL": f"http://{HOST}:{gateway}"} if gateway else {}),
        "PROVIDER_URL": f"http://{HOST}:{port('PROVIDER_PORT')}",
        "MAILSINK_URL": f"http://{HOST}:{port('MAIL_PORT')}",
        "SMTP_ADDRESS": f"{HOST}:{port('MAIL_SMTP_PORT')}",
        "AMQP_ADDRESS": f"{HOST}:{port('RABBITMQ_PORT')}",
        "MANAGEMENT_URL": f"http://{HOST}:{port('RABBITMQ_MANAGEMENT_PORT')}",
        "REDIS_ADDRESS": f"{HOST}:{port('REDIS_PORT')}",
        "POSTGRES_PRIMARY": f"{HOST}:{port('POSTGRES_1_PORT')}",
        "POSTGRES_REPLICA": f"{HOST}:{port('POSTGRES_2_PORT')}",
    }


def urls(project: Project) -> list[str]:
    """Where to look."""
    published = project.published
    return [f"  {f'http://{HOST}:{published[name]}':<26}{what}" for name, what in URLS.items() if name in published]
