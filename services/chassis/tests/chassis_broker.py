"""The tests' own vhost on the stack's broker, and what they do there that a service may not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import aiohttp
from aio_pika.abc import AbstractChannel, AbstractConnection
from pamqp.common import FieldValue

from chassis.events import Envelope
from native import Stack

PARTITION: dict[str, FieldValue] = {"x-queue-type": "quorum", "x-single-active-consumer": True}
EXCHANGE = "events"
SECRET = "chassis-tests"
LIMIT = {"pattern": ".*", "apply-to": "queues", "definition": {"delivery-limit": 20}}
EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}


class Broker:
    """A vhost named as its user, who may do everything in it."""

    def __init__(self, name: str, http: aiohttp.ClientSession) -> None:
        self.name = name
        self._http = http
        self.connection: AbstractConnection
        self.channel: AbstractChannel

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """The management API."""
        async with self._http.request(method, f"/api/{path}", json=body) as answer:
            answer.raise_for_status()
            return await answer.json() if method == "GET" else None

    async def partition(self, name: str) -> None:
        """A queue such as the topology makes for a subscriber's partition."""
        await self.channel.declare_queue(name, durable=True, arguments=PARTITION)

    async def listener(self, name: str, *keys: str, arguments: dict[str, FieldValue] | None = None) -> None:
        """A queue bound with these keys, whose messages can be taken out one by one."""
        queue = await self.channel.declare_queue(name, durable=True, arguments=arguments)
        for key in keys:
            await queue.bind(EXCHANGE, key)

    async def put(self, queue: str, *messages: Envelope | bytes, **properties: Any) -> None:
        """Put messages into a queue, in this order."""
        for message in messages:
            body = message.model_dump_json().encode() if isinstance(message, Envelope) else message
            fields = {"delivery_mode": aio_pika.DeliveryMode.PERSISTENT, **properties}
            await self.channel.default_exchange.publish(aio_pika.Message(body, **fields), queue)

    async def take(self, queue: str) -> list[Envelope]:
        """Everything that is ready in a queue, taken out of it."""
        found = []
        source = await self.channel.get_queue(queue, ensure=False)
        while message := await source.get(no_ack=True, fail=False):
            found.append(Envelope.parse(message.body))
        return found

    async def ready(self, queue: str) -> int:
        """How many messages are ready in a queue, i.e. neither delivered nor acknowledged."""
        declared = await self.channel.declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0

    async def served(self, queue: str) -> bool:
        """Whether a queue has a consumer. Of a partition's queue the broker counts only the active one."""
        declared = await self.channel.declare_queue(queue, passive=True)
        return bool(declared.declaration_result.consumer_count)

    async def close_connections(self, purpose: str) -> int:
        """Close those connections of the vhost whose name ends with this. Returns how many there were."""
        found = [
            connection["name"]
            for connection in await self.call("GET", f"vhosts/{self.name}/connections")
            if connection["client_properties"].get("connection_name", "").endswith(purpose)
        ]
        for name in found:
            await self.call("DELETE", f"connections/{name}")
        return len(found)


@asynccontextmanager
async def own_broker(stack: Stack, name: str) -> AsyncIterator[Broker]:
    """The vhost, for as long as the block lasts."""
    login = {"Authorization": aiohttp.encode_basic_auth("topology", stack.secret("topology"))}
    async with aiohttp.ClientSession(stack.url("rabbitmq"), headers=login) as http:
        broker = Broker(name, http)
        await broker.call("PUT", f"vhosts/{name}")
        await broker.call("PUT", f"users/{name}", {"password": SECRET, "tags": ""})
        await broker.call("PUT", f"permissions/{name}/{name}", EVERYTHING)
        await broker.call("PUT", f"policies/{name}/limit", LIMIT)
        url = f"amqp://{name}:{SECRET}@127.0.0.1:{stack.ports['rabbitmq']}/{name}"
        try:
            async with await aio_pika.connect(url, client_properties={"connection_name": "tests"}) as connection:
                broker.connection = connection
                broker.channel = await connection.channel()
                await broker.channel.declare_exchange(EXCHANGE, "topic", durable=True)
                yield broker
        finally:
            await broker.call("DELETE", f"vhosts/{name}")
            await broker.call("DELETE", f"users/{name}")
