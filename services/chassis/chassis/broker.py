"""RabbitMQ as the services see it: publish into one's own vhost, consume one's own queues in others'.

Nothing is declared here: the topology job does that, and a service that finds its exchange or queue missing stops with
a sentence. Connections to publish and to consume are separate, so that a blocked publisher does not stop deliveries.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import aio_pika
import aiormq
from aio_pika.abc import AbstractChannel, AbstractQueue, AbstractRobustChannel, AbstractRobustConnection
from aio_pika.connection import make_url
from aio_pika.exceptions import AMQPConnectionError, ChannelNotFoundEntity, ProbableAuthenticationError
from aiormq.exceptions import InvalidFrameError
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from chassis import cancellation, faults, tracing
from chassis.events import Envelope
from chassis.settings import ServiceSettings

EXCHANGE = "events"
START_SECONDS = 20.0
CONNECT_SECONDS = 5.0
APPLY = "apply the topology with python -m topology apply"

# What waits to be written. The client has ten places: who finds them taken keeps the lock of the channel, and from then
# on each event of a batch waits for a turn of the event loop, which under load takes ten milliseconds.
aiormq.Connection.FRAME_BUFFER_SIZE = 1000

ConnectionT = TypeVar("ConnectionT", bound=aio_pika.Connection)


class TopologyError(SystemExit):
    """An exchange or a queue is missing: printed as one sentence, without a traceback, with exit status 1."""


class NoBrokerError(SystemExit):
    """The broker cannot be used at start: printed as one sentence, without a traceback, with exit status 1."""


async def connect(settings: ServiceSettings, vhost: str, purpose: str) -> AbstractRobustConnection:
    """A connection that comes back by itself once it was there. `purpose` names it in the broker's own lists.

    Raises `NoBrokerError` if the broker is not there within a while, or does not let us in.
    """
    where = f"broker {settings.broker_host}:{settings.broker_port}"
    try:
        async for attempt in _while_it_starts():
            with attempt:
                return await _connect(settings, vhost, purpose)
    except InvalidFrameError:
        raise NoBrokerError(f"{where} has no vhost '{vhost}' for user {settings.broker_user}: {APPLY}") from None
    except AMQPConnectionError as error:
        advice = "is it up, and is the password in 'broker_password' right?"
        raise NoBrokerError(f"{where} refuses user {settings.broker_user} ({error}): {advice}") from None
    raise AssertionError("the loop returns or raises")


def _while_it_starts() -> AsyncRetrying:
    return AsyncRetrying(
        retry=retry_if_exception_type(OSError) & retry_if_not_exception_type(ProbableAuthenticationError),
        wait=wait_random_exponential(multiplier=0.1, max=2),
        stop=stop_after_delay(START_SECONDS),
        reraise=True,
    )


async def _connect(settings: ServiceSettings, vhost: str, purpose: str) -> AbstractRobustConnection:
    url = make_url(
        host=settings.broker_host,
        port=settings.broker_port,
        login=settings.broker_user,
        password=settings.broker_password.get_secret_value(),
        virtualhost=vhost,
        heartbeat=settings.broker_heartbeat_seconds,
    )
    name = {"connection_name": f"{settings.broker_user} {purpose}"}
    return await opened(aio_pika.RobustConnection(url, client_properties=name), CONNECT_SECONDS)


async def opened(connection: ConnectionT, seconds: float) -> ConnectionT:
    """This connection, connected within so many seconds; closed if that fails.

    The client's own `connect` leaves a refused one to the garbage collector, which may run in a thread without a loop.
    """
    try:
        await connection.connect(timeout=seconds)
    except BaseException:
        await connection.close()
        raise
    return connection


class Publisher:
    """Publishes events into the exchange of one's own vhost; an event counts once the broker has confirmed it."""

    def __init__(self, settings: ServiceSettings, vhost: str) -> None:
        self._settings = settings
        self._vhost = vhost
        self._connection: AbstractRobustConnection | None = None
        self._channel: AbstractChannel | None = None

    async def open(self) -> None:
        """Connect. Raises `ConnectionError`, or `TopologyError` if the exchange is missing."""
        self._connection = await connect(self._settings, self._vhost, "publish")
        self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        try:
            await self._channel.get_exchange(EXCHANGE, ensure=True)
        except ChannelNotFoundEntity:
            await self._connection.close()
            raise TopologyError(_missing("exchange", EXCHANGE, self._vhost)) from None

    async def publish(self, envelope: Envelope, *, mandatory: bool, routing_key: str | None = None) -> None:
        """Publish to every subscriber, or where the key says, and wait for the confirm.

        Raises `DeliveryError` when the broker nacks or returns the event, `ConnectionError` when it is lost on the way.
        """
        assert self._channel is not None, "open() comes first"
        message = aio_pika.Message(
            envelope.model_dump_json(exclude_none=True).encode(),
            content_type="application/cloudevents+json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=str(envelope.id),
            type=envelope.type,
            correlation_id=str(envelope.correlationid),
            user_id=self._settings.broker_user,
            timestamp=envelope.time,
            headers={tracing.HEADER: envelope.traceparent} if envelope.traceparent else None,
        )
        channel: Any = await self._channel.get_underlay_channel()  # whose declared type lacks `wait`
        await channel.connection.ready()  # not while the broker blocks publishers: what is written then only piles up
        # Not through the exchange object: it lets every message wait until the one before is written, some turns of the
        # event loop each, which on a busy loop are seconds for a batch.
        publishing = channel.basic_publish(
            message.body,
            exchange=EXCHANGE,
            routing_key=routing_key or envelope.routing_key,
            properties=message.properties,
            mandatory=mandatory,
            wait=False,
        )
        try:
            await (_until_sent(publishing) if faults.armed_at("relay.after_send") else publishing)
        except asyncio.CancelledError:
            if cancellation.is_ours():
                raise
            raise ConnectionError("the connection was stuck") from None

    @property
    def connected(self) -> bool:
        """Whether the connection is up now."""
        return self._connection is not None and self._connection.connected.is_set()

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close()


async def open_queue(channel: AbstractRobustChannel, vhost: str, name: str, prefetch: int) -> AbstractQueue:
    """Open a new channel, of its own for one queue. Raises `TopologyError` if the queue is missing."""
    await channel
    await channel.set_qos(prefetch_count=prefetch)
    try:
        return await channel.get_queue(name, ensure=True)
    except ChannelNotFoundEntity:
        raise TopologyError(_missing("queue", name, vhost)) from None


async def _until_sent(publishing: Coroutine[Any, Any, object]) -> None:
    """Send, pass the point before the confirm can have been read, then go on."""
    task = asyncio.ensure_future(publishing)
    for _ in range(10):  # the frames are written after a few turns of the loop; an answer takes a network's while
        await asyncio.sleep(0)
    faults.reach("relay.after_send")
    await task


def _missing(kind: str, name: str, vhost: str) -> str:
    return f"{kind} '{name}' is missing in vhost '{vhost}': {APPLY}"
