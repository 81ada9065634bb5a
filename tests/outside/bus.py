"""The broker, written to as the service that owns the event: what it has published once can be published again."""

import aio_pika

from chassis.events import Envelope
from native import Stack
from outside.books import CONTRACTS

VHOSTS = {contract.service: contract.vhost for contract in CONTRACTS}


class Bus:
    """Publishes, and returns once the broker has confirmed."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    async def publish(self, *envelopes: Envelope, only_to: str | None = None) -> None:
        """These events, in this order; to all their subscribers, or to one as a backfill would."""
        for envelope in envelopes:
            await self._publish(envelope, only_to)

    async def _publish(self, envelope: Envelope, only_to: str | None) -> None:
        user = envelope.source
        connection = await aio_pika.connect(self._stack.amqp_url(user, VHOSTS[user]))
        async with connection:
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            exchange = await channel.get_exchange("events", ensure=False)
            message = aio_pika.Message(
                envelope.model_dump_json(exclude_none=True).encode(),
                content_type="application/cloudevents+json",
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                message_id=str(envelope.id),
                type=envelope.type,
                correlation_id=str(envelope.correlationid),
                user_id=user,
            )
            route = envelope.routing_key
            await exchange.publish(message, route if only_to is None else f"{only_to}.{route}", mandatory=True)
