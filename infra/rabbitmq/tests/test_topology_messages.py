"""What the topology does to a message: the right partition of every subscriber, one alone, or the dead letters."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from native import Stack
from topology.apply import USER
from topology.files import Definitions, Row, read_definitions
from topology.management import Management

VHOST = "scratch-messages"
SECONDS = 10


@pytest.fixture(scope="module")
def vhost(stack: Stack) -> Iterator[str]:
    """A copy of the orders vhost in which no service listens."""
    whole: Definitions = read_definitions()
    copy: dict[str, list[Row]] = {"vhosts": [{"name": VHOST}]}
    for section in ("permissions", "exchanges", "policies", "queues", "bindings"):
        copy[section] = [row | {"vhost": VHOST} for row in whole[section] if row["vhost"] == "orders"]
    management = Management(stack.url("rabbitmq"), USER, stack.secret(USER))
    management.post("definitions", body=copy)
    yield VHOST
    management.delete("vhosts", VHOST)


@pytest.fixture
async def channel(stack: Stack, vhost: str) -> AsyncIterator[AbstractChannel]:
    """The topology's own user may do everything here."""
    connection = await aio_pika.connect(
        host="127.0.0.1", port=stack.ports["rabbitmq"], login=USER, password=stack.secret(USER), virtualhost=vhost
    )
    async with connection, connection.channel(on_return_raises=True) as channel:
        yield channel


async def publish(channel: AbstractChannel, key: str) -> str:
    id_ = str(uuid4())
    exchange = await channel.get_exchange("events")
    await exchange.publish(aio_pika.Message(b"{}", message_id=id_), key, mandatory=True)
    return id_


async def depths(channel: AbstractChannel) -> dict[str, int]:
    """Queues that hold something, as the broker counts at this moment."""
    counts = {}
    for row in read_definitions()["queues"]:
        if row["vhost"] == "orders":
            queue = await channel.declare_queue(row["name"], passive=True)
            if queue.declaration_result.message_count:
                counts[row["name"]] = queue.declaration_result.message_count
    return counts


async def empty(channel: AbstractChannel, *names: str) -> None:
    for name in names:
        queue = await channel.get_queue(name)
        await queue.purge()


async def take(channel: AbstractChannel, name: str) -> AbstractIncomingMessage:
    """The next message of a queue with a single active consumer, which does not allow to get one."""
    arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    queue = await channel.get_queue(name)
    tag = await queue.consume(arrived.put)
    async with asyncio.timeout(SECONDS):
        message = await arrived.get()
    await queue.cancel(tag)
    return message


async def test_an_event_reaches_its_partition_of_every_subscriber_and_no_other(channel: AbstractChannel) -> None:
    await publish(channel, "p02.order.cancelled.v1")
    assert await depths(channel) == {"payment.p02": 1, "notification.p02": 1}
    await empty(channel, "payment.p02", "notification.p02")


async def test_an_event_republished_for_one_subscriber_reaches_only_it(channel: AbstractChannel) -> None:
    await publish(channel, "payment.p02.order.cancelled.v1")
    assert await depths(channel) == {"payment.p02": 1}
    await empty(channel, "payment.p02")


async def test_an_event_that_reaches_nobody_comes_back_to_its_publisher(channel: AbstractChannel) -> None:
    with pytest.raises(aio_pika.exceptions.PublishError):
        await publish(channel, "p63.order.placed.v1")


async def test_what_a_subscriber_gives_up_on_is_in_its_dead_letters(channel: AbstractChannel) -> None:
    id_ = await publish(channel, "p01.order.placed.v1")
    await (await take(channel, "payment.p01")).reject(requeue=False)
    dead = await take(channel, "payment.dead")
    assert dead.message_id == id_
    assert dead.headers["x-first-death-queue"] == "payment.p01"
    await dead.ack()
    assert await depths(channel) == {}


async def test_a_message_that_kills_its_consumer_20_times_is_in_the_dead_letters(
    channel: AbstractChannel, stack: Stack, vhost: str
) -> None:
    id_ = await publish(channel, "p01.order.placed.v1")
    counts = [await die_with_a_message(stack, vhost) for _ in range(21)]
    assert counts == list(range(21))
    dead = await take(channel, "payment.dead")
    assert dead.message_id == id_
    assert dead.headers["x-first-death-reason"] == "delivery_limit"
    await dead.ack()


async def die_with_a_message(stack: Stack, vhost: str) -> int:
    """Take one and lose the connection. Returns how often it was delivered before."""
    connection = await aio_pika.connect(
        host="127.0.0.1",
        port=stack.ports["rabbitmq"],
        login="payment",
        password=stack.secret("payment"),
        virtualhost=vhost,
    )
    async with connection, connection.channel() as channel:
        message = await take(channel, "payment.p01")
        count = message.headers.get("x-delivery-count", 0)
        assert isinstance(count, int)
        return count
