"""The worker: works off what a service's queues have delivered, in batches, each acknowledged after its commit.

One line for all queues of the process: what the partitions deliver within a moment shares a transaction, whose cost is
mostly per transaction. Within a queue the order stays; queues have none between them. The partitions are what several
replicas share the work by.
"""

import asyncio
import random
from collections import deque
from collections.abc import Sequence

from aio_pika.abc import AbstractIncomingMessage

from chassis.consumer import Consumer
from chassis.db import Database, unavailable
from chassis.delivery import Delivery, park_malformed
from chassis.logging import get_logger
from chassis.pace import Pace
from chassis.subscription import BROKER_AWAY, Subscription

BATCH = 50
APART_SECONDS = 0.02  # between batches under load: a longer line makes a larger batch, and cheaper events
OUTAGE_CHECK_SECONDS = 2.0


class Worker:
    """Hands deliveries to the consumer."""

    def __init__(self, consumer: Consumer, database: Database) -> None:
        self._consumer = consumer
        self._database = database
        self._subscriptions: list[Subscription] = []
        self._line: deque[tuple[Subscription, AbstractIncomingMessage]] = deque()
        self._arrived = asyncio.Event()
        self._stopping = asyncio.Event()
        self._pace = Pace(APART_SECONDS)

    def add(self, subscription: Subscription) -> None:
        """Work this queue off, too."""
        self._subscriptions.append(subscription)

    def line_up(self, subscription: Subscription, message: AbstractIncomingMessage) -> None:
        """A message has arrived."""
        self._line.append((subscription, message))
        self._arrived.set()

    def stop(self) -> None:
        """End after the batch that is being handled."""
        self._stopping.set()
        self._arrived.set()

    async def run(self) -> None:
        """Work until stopped, then close the channels, which gives back what was not acknowledged."""
        while batch := await self._next_batch():
            try:
                await self._handle(batch)
            except Exception as error:
                if not unavailable(error):
                    raise
                await self._wait_out(error)
            self._pace.end(len(batch) / BATCH)
        await self._close()

    async def _next_batch(self) -> list[tuple[Subscription, Delivery]]:
        """What has arrived, at most a batch; nothing once the worker is to stop."""
        while not self._line and not self._stopping.is_set():
            self._arrived.clear()
            await self._arrived.wait()
        await self._pace.keep()
        if self._stopping.is_set():
            return []
        taken = [self._line.popleft() for _ in range(min(BATCH, len(self._line)))]
        return [(subscription, Delivery.of(message)) for subscription, message in taken]

    async def _handle(self, batch: Sequence[tuple[Subscription, Delivery]]) -> None:
        """Handle it together where nothing is suspicious, else one by one."""
        if all(delivery.ordinary and not subscription.dead for subscription, delivery in batch):
            await self._consumer.process(self._database, [delivery.known for _, delivery in batch])
            for subscription, delivery in dict(batch).items():  # the last delivery of each queue
                await subscription.ack(delivery)
            return
        for subscription, delivery in batch:
            await self._handle_suspect(subscription, delivery)
            await subscription.ack(delivery)

    async def _handle_suspect(self, subscription: Subscription, delivery: Delivery) -> None:
        if delivery.envelope is None:
            await park_malformed(self._database, subscription.vhost, delivery)
        elif subscription.dead:
            await self._consumer.park(self._database, delivery.envelope, f"the broker gave it up ({delivery.death})")
        elif delivery.ordinary:
            await self._consumer.process(self._database, [delivery.envelope])
        else:
            await self._consumer.try_alone(self._database, delivery.envelope)

    async def _wait_out(self, error: Exception) -> None:
        """The database is away for long: give everything back, and come back when it does."""
        get_logger().warning("the database is away, closing the channels", error=str(error))
        await self._give_back()
        while not self._stopping.is_set():
            await asyncio.sleep(OUTAGE_CHECK_SECONDS * random.uniform(0.5, 1))  # noqa: S311  jitter, not cryptography
            if await self._database.writable() and await self._reopen():
                return

    async def _reopen(self) -> bool:
        """Start deliveries again. Where the broker is away, too, everything is given back as before."""
        try:
            for subscription in self._subscriptions:
                await subscription.reopen(self.line_up)
        except BROKER_AWAY as error:
            get_logger().warning("the database is back, but the broker is away", error=repr(error))
            await self._give_back()
            return False
        return True

    async def _give_back(self) -> None:
        await self._close()
        self._line.clear()

    async def _close(self) -> None:
        await asyncio.gather(*(subscription.close() for subscription in self._subscriptions))
