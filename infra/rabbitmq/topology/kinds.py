"""The kinds of things a vhost holds: how to list them, what identifies one, what must be equal, how to repair one."""

from dataclasses import dataclass
from typing import Any

from topology.files import Row

APPLY = "run python -m topology apply"


@dataclass(frozen=True)
class Kind:
    """`label` and `remove` are templates over a row; `fields` are compared. `fixed`: what exists cannot be changed."""

    name: str
    section: str
    path: tuple[str, ...]
    label: str
    fields: tuple[str, ...]
    remove: str
    fixed: bool = False

    def named(self, row: Row) -> str:
        """How a person calls this thing."""
        return self.label.format_map(row)

    def values(self, row: Row) -> dict[str, Any]:
        """What must be equal, nested dictionaries flattened: `definition.delivery-limit`."""
        flat: dict[str, Any] = {}
        for field in self.fields:
            value = row.get(field)
            if isinstance(value, dict):
                flat |= {f"{field}.{key}": inner for key, inner in value.items()}
            else:
                flat[field] = value
        return flat


KINDS = (
    Kind(
        "exchange",
        "exchanges",
        ("exchanges", "{vhost}"),
        "{name}",
        ("type", "durable", "auto_delete", "internal", "arguments"),
        "delete it on the management page of the vhost",
        fixed=True,
    ),
    Kind(
        "queue",
        "queues",
        ("queues", "{vhost}"),
        "{name}",
        ("type", "durable", "auto_delete", "arguments"),
        "when it is empty, rabbitmqctl delete_queue --vhost {vhost} {name}",
        fixed=True,
    ),
    Kind(
        "binding",
        "bindings",
        ("bindings", "{vhost}"),
        "{source} -> {destination_type} {destination} with key {routing_key}",
        ("arguments",),
        "unbind it on the management page of {source}",
        fixed=True,
    ),
    Kind(
        "policy",
        "policies",
        ("policies", "{vhost}"),
        "{name}",
        ("pattern", "apply-to", "priority", "definition"),
        "rabbitmqctl clear_policy --vhost {vhost} {name}",
    ),
    Kind(
        "operator policy",
        "operator_policies",
        ("operator-policies", "{vhost}"),
        "{name}",
        ("pattern", "definition"),
        "rabbitmqctl clear_operator_policy --vhost {vhost} {name}",
    ),
    Kind(
        "permission",
        "permissions",
        ("vhosts", "{vhost}", "permissions"),
        "of user {user}",
        ("configure", "write", "read"),
        "rabbitmqctl clear_permissions --vhost {vhost} {user}",
    ),
    Kind(
        "topic permission",
        "topic_permissions",
        ("vhosts", "{vhost}", "topic-permissions"),
        "of user {user} on {exchange}",
        ("write", "read"),
        "rabbitmqctl clear_topic_permissions --vhost {vhost} {user} {exchange}",
    ),
    Kind(
        "parameter",
        "parameters",
        ("parameters",),
        "{component} {name}",
        ("value",),
        "rabbitmqctl clear_parameter --vhost {vhost} {component} {name}",
    ),
)
