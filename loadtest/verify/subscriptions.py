"""Who is declared to hear what: from the generated definitions.json; the live broker may have lost a binding."""

from collections.abc import Mapping

from topology.files import Definitions, read_definitions
from verify.database import DATABASES

EXCHANGE = "events"
BACKFILL = ".#"  # a queue's binding for events republished to it alone

Subscribers = Mapping[str, Mapping[str, frozenset[str]]]


def declared(definitions: Definitions | None = None) -> Subscribers:
    """Publishing service -> event type -> the services that listen to it."""
    found: dict[str, dict[str, frozenset[str]]] = {service: {} for service in DATABASES}
    services = {vhost: service for service, vhost in DATABASES.items()}
    for row in (definitions or read_definitions())["bindings"]:
        key = row["routing_key"]
        if row["source"] != EXCHANGE or key.endswith(BACKFILL):
            continue
        _, _, type_ = key.partition(".")  # p03.order.placed.v1
        listener, _, _ = row["destination"].partition(".")  # payment.p03
        types = found[services[row["vhost"]]]
        types[type_] = types.get(type_, frozenset()) | {listener}
    return found
