"""What tools and shells are told about a stack: addresses and places, never a password."""

import shlex

from native import postgres, rabbitmq, services
from native.errors import StackError
from native.plan import CONFIGURABLE
from native.ports import HOST, split_instance
from native.stack import Stack


def variables(stack: Stack) -> dict[str, str]:
    """The whole stack's addresses."""
    ports = stack.ports
    primary, replica = postgres.primary_first(stack.plan)
    return {
        "QUICKSAND_STACK": stack.name,
        "QUICKSAND_DIRECTORY": str(stack.layout.root),
        "QUICKSAND_SECRETS": str(stack.layout.secrets),
        "QUICKSAND_REPLICAS": str(stack.plan.replicas),
        "EDGE_URL": stack.url("edge"),
        "EDGE_METRICS_URL": stack.url("edge-metrics"),
        "PROMETHEUS_URL": stack.url("prometheus"),
        "ALERTMANAGER_URL": stack.url("alertmanager"),
        "PUSHGATEWAY_URL": stack.url("pushgateway"),
        "PROVIDER_URL": stack.url("provider"),
        "MAILSINK_URL": stack.url("mailsink"),
        "SMTP_ADDRESS": f"{HOST}:{ports['mailsink-smtp']}",
        "AMQP_ADDRESS": f"{HOST}:{ports['rabbitmq']}",
        "MANAGEMENT_URL": stack.url("rabbitmq"),
        "REDIS_ADDRESS": f"{HOST}:{ports['redis']}",
        "POSTGRES_PRIMARY": f"{HOST}:{ports[primary]}",
        "POSTGRES_REPLICA": f"{HOST}:{ports[replica]}",
        "PGHOST": str(stack.layout.postgres_socket(primary)),
        "PGPORT": str(ports[primary]),
        "PGUSER": "postgres",
    }


def of_component(stack: Stack, component: str) -> dict[str, str]:
    """The variables that a component is started with, to start one by hand."""
    if component == "rabbitmq":
        return rabbitmq.environment(stack.layout, stack.plan)
    if component == "topology":
        return rabbitmq.topology_environment(stack.layout, stack.plan)
    for program in services.simulators(stack.layout, stack.plan):
        if program.name == component:
            return dict(program.environment)
    if split_instance(component)[0] in CONFIGURABLE:
        return services.environment(stack.layout, stack.plan, component)
    raise StackError(f"'{component}' takes no variables: choose rabbitmq, topology or one of {', '.join(CONFIGURABLE)}")


def shell(values: dict[str, str]) -> str:
    """As a shell reads it: eval "$(python -m native env)"."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in values.items())
