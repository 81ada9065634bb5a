"""Trying it: one real AMQP connection per attempt, so that a refusal, which closes the channel, spoils no other."""

import asyncio
from collections.abc import Awaitable, Callable

import aio_pika
from aio_pika.abc import AbstractChannel
from aio_pika.connection import make_url
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelClosed,
    ChannelPreconditionFailed,
    ConnectionClosed,
    InvalidFrameError,
)

from chassis.broker import EXCHANGE, opened
from topology.border import ALLOWED, NOT_THERE, REFUSED, Attempt

TIMEOUT_SECONDS = 10.0


async def connect_to(_: AbstractChannel, __: str) -> None:
    """A channel is open: nothing is left to try."""


async def publish_to(channel: AbstractChannel, exchange: str) -> None:
    """With a key that no queue is bound to."""
    target = await channel.get_exchange(exchange, ensure=False)
    await target.publish(aio_pika.Message(b""), NOT_THERE, mandatory=False)


async def publish_as_somebody_else_to(channel: AbstractChannel, exchange: str) -> None:
    """The broker vouches for `user_id`: a consumer may believe it."""
    target = await channel.get_exchange(exchange, ensure=False)
    await target.publish(aio_pika.Message(b"", user_id="somebody-else"), NOT_THERE, mandatory=False)


async def publish_past_exchanges_to(channel: AbstractChannel, queue: str) -> None:
    """The default exchange brings a message to any queue by its name; a right to it is one to all queues."""
    await channel.default_exchange.publish(aio_pika.Message(b""), queue, mandatory=False)


async def consume(channel: AbstractChannel, queue: str) -> None:
    """Waits in line behind the active consumer; if there is none, a message comes and goes back with the channel."""
    await channel.set_qos(prefetch_count=1)
    target = await channel.get_queue(queue, ensure=False)
    await target.consume(_ignore)


async def _ignore(_: aio_pika.abc.AbstractIncomingMessage) -> None:
    """Not acknowledged: it is somebody's."""


async def purge(channel: AbstractChannel, queue: str) -> None:
    """Of a queue that is not there: the permission is asked for first."""
    target = await channel.get_queue(queue, ensure=False)
    await target.purge()


async def bind_queue(channel: AbstractChannel, queue: str) -> None:
    """Hear more than one subscribed to."""
    target = await channel.get_queue(queue, ensure=False)
    await target.bind(EXCHANGE, NOT_THERE)
    await target.unbind(EXCHANGE, NOT_THERE)


async def delete_queue(channel: AbstractChannel, queue: str) -> None:
    """Only if unused and empty, which a quorum queue does not support: the permission is asked for first."""
    target = await channel.get_queue(queue, ensure=False)
    await target.delete(if_unused=True, if_empty=True)


async def declare_queue(channel: AbstractChannel, queue: str) -> None:
    """A queue of one's own making."""
    target = await channel.declare_queue(queue, durable=True)
    await target.delete()


async def declare_exchange(channel: AbstractChannel, exchange: str) -> None:
    """An exchange of one's own making."""
    target = await channel.declare_exchange(exchange, durable=True)
    await target.delete()


async def delete_exchange(channel: AbstractChannel, exchange: str) -> None:
    """Only if unused, and it has bindings: the permission is asked for first."""
    target = await channel.get_exchange(exchange, ensure=False)
    await target.delete(if_unused=True)


VERBS: dict[str, Callable[[AbstractChannel, str], Awaitable[None]]] = {
    function.__name__: function
    for function in (
        connect_to,
        publish_to,
        publish_as_somebody_else_to,
        publish_past_exchanges_to,
        consume,
        purge,
        bind_queue,
        delete_queue,
        declare_queue,
        declare_exchange,
        delete_exchange,
    )
}


async def outcome(attempt: Attempt, host: str, port: int, password: str) -> str:
    """`allowed`, `refused`, or what else came of it. Raises `OSError`: no broker, no answer, wrong password."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await _try(attempt, host, port, password)
    except (ChannelAccessRefused, InvalidFrameError):
        return REFUSED  # the second is how the client sees a refused vhost: a close where it expects an open
    except ChannelPreconditionFailed as error:
        return REFUSED if attempt.verb == "publish_as_somebody_else_to" else f"let through: {error}"
    except TimeoutError:
        raise TimeoutError(f"no answer in {TIMEOUT_SECONDS:g} s") from None
    except (ChannelClosed, ConnectionClosed) as error:
        return f"let through: {error}"


async def _try(attempt: Attempt, host: str, port: int, password: str) -> str:
    url = make_url(host=host, port=port, login=attempt.user, password=password, virtualhost=attempt.vhost)
    connection = await opened(aio_pika.Connection(url), TIMEOUT_SECONDS)
    async with connection, connection.channel() as channel:
        await VERBS[attempt.verb](channel, attempt.target)
    return ALLOWED
