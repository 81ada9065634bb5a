"""A worker at work on a queue of the tests' vhost, as a service's process has it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection
from chassis_broker import Broker

from chassis.broker import connect
from chassis.consumer import Consumer
from chassis.db import Database
from chassis.settings import ServiceSettings
from chassis.subscription import Subscription
from chassis.worker import Worker


class Process:
    """What a process has of this: it stops in good order, or dies."""

    def __init__(self, worker: Worker, connection: AbstractRobustConnection) -> None:
        self.worker = worker
        self.running = asyncio.create_task(worker.run())
        self.connection = connection
        self._dead = False

    async def stop(self) -> None:
        """In good order."""
        self.worker.stop()
        await self.running

    async def die(self) -> None:
        """In the middle of whatever it does, and its connections with it."""
        self._dead = True
        self.running.cancel()
        await self.connection.close()
        await asyncio.gather(self.running, return_exceptions=True)

    async def end(self) -> None:
        """Stop, unless it is dead already."""
        if not self._dead:
            await self.stop()


@asynccontextmanager
async def working(
    consumer: Consumer, database: Database, settings: ServiceSettings, *queues: str, dead: bool = False
) -> AsyncIterator[Process]:
    """A process that works these queues off, until the block ends or it is told otherwise."""
    vhost = consumer.contract.vhost
    connection = await connect(settings, vhost, "consume")
    worker = Worker(consumer, database)
    for queue in queues:
        subscription = Subscription(vhost, queue, dead=dead)
        worker.add(subscription)
        await subscription.open(connection, worker.line_up)
    process = Process(worker, connection)
    try:
        yield process
        await process.end()
    finally:
        await process.die()


async def redelivered(broker: Broker, queue: str, count: int, times: int) -> None:
    """Let processes that took these messages die so many times without acknowledging any."""
    for _ in range(times):
        channel = await broker.connection.channel()
        await channel.set_qos(prefetch_count=count)
        taken: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        source = await channel.get_queue(queue, ensure=False)
        await source.consume(taken.put)
        for _ in range(count):
            await taken.get()
        await channel.close()
