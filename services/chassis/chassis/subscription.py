"""One queue of one consumer: a channel of its own, from which messages go into the worker's line in order.

aio-pika calls back once per delivery, in order; the callback only lines the delivery up. A subscription ends by closing
its channel: cancelling a consumer that holds unacknowledged messages would let the broker hand out later ones first.
"""

from collections.abc import Callable

from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel, AbstractRobustConnection
from aio_pika.exceptions import AMQPError

from chassis import faults
from chassis.broker import open_queue
from chassis.delivery import Delivery
from chassis.logging import get_logger

PREFETCH = 200

Line = Callable[["Subscription", AbstractIncomingMessage], None]


class Subscription:
    """A queue of a vhost. `dead` marks the one that holds what the broker gave up delivering."""

    def __init__(self, vhost: str, queue: str, *, dead: bool = False) -> None:
        self.vhost = vhost
        self.dead = dead
        self._queue = queue
        self._connection: AbstractRobustConnection | None = None
        self._channel: AbstractRobustChannel | None = None

    async def open(self, connection: AbstractRobustConnection, line: Line) -> None:
        """Start deliveries into the line. Raises `TopologyError` if the queue is missing."""

        async def take(message: AbstractIncomingMessage) -> None:
            line(self, message)

        self._connection = connection
        self._channel, queue = await open_queue(connection, self.vhost, self._queue, PREFETCH)
        await queue.consume(take)

    async def reopen(self, line: Line) -> None:
        """Start deliveries again after `close`."""
        assert self._connection is not None, "open() comes first"
        await self.open(self._connection, line)

    async def close(self) -> None:
        """End deliveries and give back to the broker what was not acknowledged."""
        if self._channel is not None and not self._channel.is_closed:
            await self._channel.close()

    async def ack(self, delivery: Delivery) -> None:
        """Acknowledge everything up to this delivery. It is committed: if that fails, the inbox will know it again."""
        faults.reach("consumer.after_commit")
        try:
            await delivery.message.ack(multiple=True)
        except (AMQPError, RuntimeError, OSError) as error:
            get_logger().warning("could not acknowledge", queue=self._queue, vhost=self.vhost, error=repr(error))
        faults.reach("consumer.after_ack")
