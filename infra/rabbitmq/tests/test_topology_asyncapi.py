"""The AsyncAPI document says of every event who sends it, who receives it, and what is in it."""

from collections.abc import Iterator
from typing import Any

import pytest

from chassis.events import Envelope
from topology.asyncapi import build
from topology.contracts import load


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return build(load(), partitions=4)


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for inner in node.values():
            yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = list(references(document))
    assert found
    for reference in found:
        node = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_every_event_is_sent_by_its_publisher_and_received_by_its_subscribers(document: dict[str, Any]) -> None:
    operations = {(name, operation["action"]) for name, operation in document["operations"].items()}
    assert operations == {
        *(
            (f"{contract.service}.publishes.{event.type}", "send")
            for contract in load()
            for event in contract.publishes
        ),
        *(
            (f"{contract.service}.consumes.{event.type}", "receive")
            for contract in load()
            for events in contract.consumes.values()
            for event in events
        ),
    }


def test_a_channel_has_an_address_per_partition_in_its_publishers_vhost(document: dict[str, Any]) -> None:
    channel = document["channels"]["payment.captured.v1"]
    assert channel["address"] == "p{partition}.payment.captured.v1"
    assert channel["parameters"]["partition"]["enum"] == ["00", "01", "02", "03"]
    assert channel["servers"] == [{"$ref": "#/servers/payments"}]
    assert document["servers"]["payments"]["pathname"] == "/payments"
    assert channel["bindings"]["amqp"]["exchange"]["vhost"] == "payments"


def test_a_message_is_the_envelope_around_the_publishers_data(document: dict[str, Any]) -> None:
    payload = document["components"]["messages"]["payment.declined.v1"]["payload"]["allOf"]
    assert payload[0] == {"$ref": "#/components/schemas/envelope"}
    assert payload[1]["properties"]["type"] == {"const": "payment.declined.v1"}
    assert payload[1]["properties"]["source"] == {"const": "payment"}
    data = document["components"]["schemas"]["payment.declined.v1.data"]
    assert {"order_id", "reason"} <= set(data["properties"])
    assert set(data["required"]) == set(data["properties"])


def test_the_envelope_requires_what_is_always_on_the_wire(document: dict[str, Any]) -> None:
    required = set(document["components"]["schemas"]["envelope"]["required"])
    assert required == set(Envelope.model_fields) - {"causationid", "traceparent"}


def test_what_a_subscriber_reads_is_in_the_data(document: dict[str, Any]) -> None:
    reading = [operation for operation in document["operations"].values() if operation["action"] == "receive"]
    for operation in reading:
        type_ = operation["channel"]["$ref"].rpartition("/")[2]
        assert set(operation["x-reads"]) <= set(document["components"]["schemas"][f"{type_}.data"]["properties"])
