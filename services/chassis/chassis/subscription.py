"""One queue of one consumer: a channel of its own, from which messages go into the worker's line in order.

aio-pika calls back once per delivery, in order; the callback only lines the delivery up. A subscription ends by closing
its channel: cancelling a consumer that holds unacknowledged messages would let the broker hand out later ones first.

A message is acknowledged on the channel that delivered it, with everything that channel delivered before. So a channel
of which deliveries were dropped must deliver nothing more, and there is never a second one beside it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel, AbstractRobustConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS

from chassis import cancellation, faults
from chassis.broker import open_queue
from chassis.delivery import Delivery
from chassis.logging import get_logger

PREFETCH = 200
CHANNEL_SECONDS = 5.0  # to close a channel or to open it again
BROKER_AWAY = CONNECTION_EXCEPTIONS  # what the client raises then; the timeout is an `OSError`, too

Line = Callable[["Subscription", AbstractIncomingMessage], None]


class Subscription:
    """A queue of a vhost. `dead` marks the one that holds what the broker gave up delivering."""

    def __init__(self, vhost: str, queue: str, *, dead: bool = False) -> None:
        self.vhost = vhost
        self.dead = dead
        self._queue = queue
        self._connection: AbstractRobustConnection | None = None
        self._channel: AbstractRobustChannel | None = None  # until it is closed for good
        self._delivering: AbstractRobustChannel | None = None

    async def open(self, connection: AbstractRobustConnection, line: Line) -> None:
        """Start deliveries into the line. Raises `TopologyError` if the queue is missing."""
        channel = connection.channel()

        async def take(message: AbstractIncomingMessage) -> None:
            if self._delivering is channel:
                line(self, message)

        self._connection = connection
        self._channel = self._delivering = channel
        queue = await open_queue(channel, self.vhost, self._queue, PREFETCH)
        await queue.consume(take)

    async def reopen(self, line: Line) -> None:
        """Start deliveries again after `close`. Raises one of `BROKER_AWAY`; then `close` comes first again."""
        assert self._connection is not None, "open() comes first"
        await self._end()
        async with _bounded(CHANNEL_SECONDS):
            await self.open(self._connection, line)

    async def close(self) -> None:
        """End deliveries and give back to the broker what was not acknowledged.

        Where the channel cannot be closed now, it delivers nothing more into the line, and `reopen` closes it first.
        """
        self._delivering = None
        try:
            await self._end()
        except BROKER_AWAY as error:
            get_logger().warning("could not close a channel", queue=self._queue, vhost=self.vhost, error=repr(error))

    async def _end(self) -> None:
        """Close the channel, also one whose connection is lost: the client would open it again with the next one.

        Reopening that is under way would leave it open. `restore` waits for that, and does nothing on a closed channel.
        """
        if self._channel is not None:
            async with _bounded(CHANNEL_SECONDS):
                await self._channel.close()
                await self._channel.restore()
                await self._channel.close()
            self._channel = None

    async def ack(self, delivery: Delivery) -> None:
        """Acknowledge everything up to this delivery. It is committed: if that fails, the inbox will know it again."""
        faults.reach("consumer.after_commit")
        try:
            async with _bounded(None):
                await delivery.message.ack(multiple=True)
        except BROKER_AWAY as error:
            get_logger().warning("could not acknowledge", queue=self._queue, vhost=self.vhost, error=repr(error))
        faults.reach("consumer.after_ack")


@asynccontextmanager
async def _bounded(seconds: float | None) -> AsyncIterator[None]:
    """Raises `TimeoutError` when the client takes longer, and `ConnectionError` where it cancels its caller."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except asyncio.CancelledError:
        if cancellation.is_ours():
            raise
        raise ConnectionError("the connection was stuck") from None
