"""The broker's definitions, built from the contracts. Why each part is as it is: docs/messaging.md."""

from collections.abc import Iterator, Sequence
from typing import Any

from chassis.broker import EXCHANGE
from chassis.events import Contract
from topology.contracts import subscribers
from topology.files import Definitions, Row

DEAD_LETTERS = "dead-letters"
DELIVERY_LIMIT = 20  # the consumer parks at 5; the broker's own limit is for consumers that never get that far
UNLIMITED = 1_000_000  # RabbitMQ 4 drops after 20 deliveries by default, 3.10 knows no "never"
NOTHING = "^$"

QUEUE_ARGUMENTS = {"x-queue-type": "quorum", "x-single-active-consumer": True}


def build(contracts: Sequence[Contract], partitions: int) -> Definitions:
    """Everything the three vhosts hold, without users: the same input gives the same output, in the same order."""
    definitions: Definitions = {
        "vhosts": [],
        "permissions": [],
        "exchanges": [],
        "policies": [],
        "queues": [],
        "bindings": [],
    }
    for owner in sorted(contracts, key=lambda contract: contract.vhost):
        vhost = owner.vhost
        listeners = subscribers(contracts, vhost)
        definitions["vhosts"].append({"name": vhost})
        definitions["permissions"] += permissions(owner, listeners)
        definitions["exchanges"] += [exchange(vhost, EXCHANGE, "topic"), exchange(vhost, DEAD_LETTERS, "direct")]
        definitions["policies"] += policies(vhost, listeners)
        for listener in listeners:
            definitions["queues"] += queues(vhost, listener, partitions)
            definitions["bindings"] += bindings(vhost, listener, partitions)
    return definitions


def permissions(owner: Contract, listeners: Sequence[Contract]) -> Iterator[Row]:
    """Who may do what in the owner's vhost. RabbitMQ searches with these patterns, so each is anchored."""

    def may(user: str, configure: str, write: str, read: str) -> Row:
        return {"user": user, "vhost": owner.vhost, "configure": configure, "write": write, "read": read}

    yield may(owner.service, NOTHING, f"^{EXCHANGE}$", own_queues(owner))
    for listener in listeners:
        if listener.service != owner.service:
            yield may(listener.service, NOTHING, NOTHING, own_queues(listener))
    yield may("monitor", NOTHING, NOTHING, NOTHING)
    yield may("topology", ".*", ".*", ".*")


def own_queues(contract: Contract) -> str:
    """The pattern of everything that belongs to a subscriber."""
    return rf"^{contract.service}\..*$"


def exchange(vhost: str, name: str, kind: str) -> Row:
    """A durable exchange."""
    return {
        "name": name,
        "vhost": vhost,
        "type": kind,
        "durable": True,
        "auto_delete": False,
        "internal": False,
        "arguments": {},
    }


def policies(vhost: str, listeners: Sequence[Contract]) -> Iterator[Row]:
    """What can change without declaring a queue anew. No max-length: a full queue would refuse everybody's events."""
    for listener in listeners:
        yield policy(
            vhost,
            f"{listener.service}.partitions",
            rf"^{listener.service}\.p[0-9]+$",
            {
                "delivery-limit": DELIVERY_LIMIT,
                "dead-letter-exchange": DEAD_LETTERS,
                "dead-letter-routing-key": listener.dead_letter_queue,
                "dead-letter-strategy": "at-least-once",
                "overflow": "reject-publish",
            },
        )
    yield policy(vhost, DEAD_LETTERS, r"^.+\.dead$", {"delivery-limit": UNLIMITED})


def policy(vhost: str, name: str, pattern: str, definition: dict[str, Any]) -> Row:
    """A policy for queues. 3.10 does not know `quorum_queues`, and there are no others here."""
    return {
        "vhost": vhost,
        "name": name,
        "pattern": pattern,
        "apply-to": "queues",
        "priority": 0,
        "definition": definition,
    }


def queues(vhost: str, listener: Contract, partitions: int) -> Iterator[Row]:
    """A subscriber's partitions, and where its dead letters go."""
    names = [listener.queue(partition) for partition in range(partitions)]
    for name in [*names, listener.dead_letter_queue]:
        yield {"name": name, "vhost": vhost, "durable": True, "auto_delete": False, "arguments": QUEUE_ARGUMENTS}


def bindings(vhost: str, listener: Contract, partitions: int) -> Iterator[Row]:
    """Each partition hears its part of every event, and what is republished for this subscriber alone."""
    types = sorted(event.type for event in listener.consumes[vhost])
    for partition in range(partitions):
        queue = listener.queue(partition)
        for type_ in types:
            yield binding(vhost, EXCHANGE, queue, f"p{partition:02d}.{type_}")
        yield binding(vhost, EXCHANGE, queue, f"{queue}.#")
    yield binding(vhost, DEAD_LETTERS, listener.dead_letter_queue, listener.dead_letter_queue)


def binding(vhost: str, source: str, queue: str, routing_key: str) -> Row:
    """An exchange's messages with this key go to the queue."""
    return {
        "source": source,
        "vhost": vhost,
        "destination": queue,
        "destination_type": "queue",
        "routing_key": routing_key,
        "arguments": {},
    }
