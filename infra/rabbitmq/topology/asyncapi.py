"""The events as an AsyncAPI 3.0 document: what can be heard where, who says it, who listens and reads which fields."""

from collections.abc import Sequence
from typing import Any

from chassis.broker import EXCHANGE
from chassis.events import Contract, Envelope, Event
from topology.contracts import publishers

SCHEMAS = "#/components/schemas"


def build(contracts: Sequence[Contract], partitions: int) -> dict[str, Any]:
    """The whole document."""
    components: dict[str, Any] = {"messages": {}, "schemas": {"envelope": envelope()}}
    channels: dict[str, Any] = {}
    for contract in contracts:
        for event in contract.publishes:
            channels[event.type] = channel(contract, event, partitions)
            components["messages"][event.type] = message(contract, event)
            components["schemas"] |= schemas(event)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Quicksand events",
            "version": "1.0.0",
            "description": "Generated from the services' events.py. Within a type, changes are additive.",
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": {contract.vhost: server(contract) for contract in contracts},
        "channels": channels,
        "operations": operations(contracts),
        "components": components,
    }


def envelope() -> dict[str, Any]:
    """The envelope as it is on the wire: what has no value is left out, everything else is always there."""
    schema = Envelope.model_json_schema()
    schema["required"] = [name for name, field in Envelope.model_fields.items() if field.default is not None]
    return schema


def schemas(event: type[Event]) -> dict[str, Any]:
    """The schema of an event's data as it is sent, and those of the models inside it."""
    name = f"{event.type}.data"
    schema = event.model_json_schema(mode="serialization", ref_template=f"{SCHEMAS}/{name}.{{model}}")
    nested = schema.pop("$defs", {})
    return {name: schema} | {f"{name}.{inner}": definition for inner, definition in nested.items()}


def server(contract: Contract) -> dict[str, Any]:
    """A vhost is a server of its own: one connects to it, with a user that it lets in."""
    return {
        "host": "rabbitmq:5672",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "pathname": f"/{contract.vhost}",
        "description": f"The vhost in which {contract.service} publishes.",
    }


def channel(contract: Contract, event: type[Event], partitions: int) -> dict[str, Any]:
    """An event's routing keys, one per partition."""
    return {
        "address": f"p{{partition}}.{event.type}",
        "servers": [{"$ref": f"#/servers/{contract.vhost}"}],
        "messages": {event.type: {"$ref": f"#/components/messages/{event.type}"}},
        "parameters": {
            "partition": {
                "description": "Chosen when the order was placed; all events of an order are in one partition.",
                "enum": [f"{partition:02d}" for partition in range(partitions)],
            }
        },
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {
                    "name": EXCHANGE,
                    "type": "topic",
                    "durable": True,
                    "autoDelete": False,
                    "vhost": contract.vhost,
                },
                "bindingVersion": "0.3.0",
            }
        },
    }


def message(contract: Contract, event: type[Event]) -> dict[str, Any]:
    """The envelope, with this type, this source and this data."""
    return {
        "name": event.type,
        "summary": (event.__doc__ or "").strip(),
        "contentType": "application/cloudevents+json",
        "correlationId": {"location": "$message.payload#/correlationid"},
        "payload": {
            "allOf": [
                {"$ref": f"{SCHEMAS}/envelope"},
                {
                    "type": "object",
                    "properties": {
                        "type": {"const": event.type},
                        "source": {"const": contract.service},
                        "data": {"$ref": f"{SCHEMAS}/{event.type}.data"},
                    },
                },
            ]
        },
    }


def operations(contracts: Sequence[Contract]) -> dict[str, Any]:
    """Per service what it sends and receives; `x-reads` are the fields that its own copy needs or uses."""
    published = publishers(contracts)
    found: dict[str, Any] = {}
    for contract in contracts:
        for event in contract.publishes:
            lenient = event in contract.without_subscribers
            found[f"{contract.service}.publishes.{event.type}"] = operation(contract, event, "send") | {
                "bindings": {"amqp": {"deliveryMode": 2, "mandatory": not lenient, "bindingVersion": "0.3.0"}},
            }
        for vhost, events in contract.consumes.items():
            for event in events:
                reads = [name for name in event.model_fields if name in published[vhost, event.type].model_fields]
                found[f"{contract.service}.consumes.{event.type}"] = operation(contract, event, "receive") | {
                    "x-reads": reads,
                }
    return found


def operation(contract: Contract, event: type[Event], action: str) -> dict[str, Any]:
    """One service sends or receives one event."""
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{event.type}"},
        "summary": (event.__doc__ or "").strip(),
        "tags": [{"name": contract.service}],
        "messages": [{"$ref": f"#/channels/{event.type}/messages/{event.type}"}],
    }
