"""How much is in the queues, read as `monitor`, who may read no message.

Two sources, because neither is enough. A passive declaration over AMQP counts what is ready, exactly and now, but not
what a consumer holds unacknowledged. The management API counts both, but from statistics that are up to
`STATISTICS_AGE_SECONDS` old (RabbitMQ's defaults: collected every 5 s; the native stack asks for 1 s).
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aio_pika
import aiohttp
from aio_pika.abc import AbstractChannel
from aio_pika.connection import make_url
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity

from verify.addresses import Addresses
from verify.database import DATABASES
from verify.errors import CannotCheckError
from verify.http import get, session

USER = "monitor"
STATISTICS_AGE_SECONDS = 6.0
DEAD = ".dead"  # the queues of what the broker gave up delivering
COLUMNS = "vhost,name,messages_unacknowledged"


@dataclass(frozen=True)
class Depths:
    """Messages by `vhost/queue`, only where there are any."""

    ready: dict[str, int]
    unacknowledged: dict[str, int]

    @property
    def dead(self) -> dict[str, int]:
        """Dead letters that nobody has parked yet."""
        return {name: count for name, count in self.ready.items() if name.endswith(DEAD)}

    @property
    def waiting(self) -> int:
        """Ready for a consumer, or held by one."""
        return sum(self.ready.values()) + sum(self.unacknowledged.values())


class Broker:
    """The three vhosts of one broker."""

    def __init__(self, url: str, management: aiohttp.ClientSession, connections: dict[str, aio_pika.Connection]):
        self._url = url
        self._management = management
        self._connections = connections
        self._channels: dict[str, AbstractChannel] = {}

    async def depths(self) -> Depths:
        """What is in every queue. Raises `CannotCheckError`."""
        rows = await get(self._management, f"{self._url}/api/queues", columns=COLUMNS)
        depths = Depths({}, {})
        for row in rows:
            name = f"{row['vhost']}/{row['name']}"
            if row["vhost"] not in self._connections:
                continue
            if held := row.get("messages_unacknowledged", 0):
                depths.unacknowledged[name] = held
            if ready := await self._ready(row["vhost"], row["name"]):
                depths.ready[name] = ready
        return depths

    async def _ready(self, vhost: str, queue: str) -> int:
        try:
            channel = self._channels.get(vhost)
            if channel is None:
                channel = self._channels[vhost] = await self._connections[vhost].channel()
            declared = await channel.declare_queue(queue, passive=True)
        except ChannelNotFoundEntity:
            del self._channels[vhost]  # the broker closes a channel that asks for what is not there
            return 0
        except (AMQPError, OSError, RuntimeError) as error:
            raise CannotCheckError(f"queue {vhost}/{queue} cannot be read: {error}; see make status") from None
        return declared.declaration_result.message_count or 0


@asynccontextmanager
async def connect(addresses: Addresses) -> AsyncIterator[Broker]:
    """Connections to the management API and to every vhost. Raises `CannotCheckError`."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(session(USER, addresses.monitor_password))
        connections = {}
        for vhost in DATABASES.values():
            connection = _unopened(addresses, vhost)
            stack.push_async_callback(connection.close)  # first: the client itself does not close one that is refused
            try:
                await connection.connect(timeout=5)
            except (AMQPError, OSError, TimeoutError) as error:
                told = f"no broker at {addresses.amqp} for vhost {vhost}: {error}; see make status"
                raise CannotCheckError(told) from None
            connections[vhost] = connection
        yield Broker(addresses.management, client, connections)


def _unopened(addresses: Addresses, vhost: str) -> aio_pika.Connection:
    host, _, port = addresses.amqp.rpartition(":")
    if not host or not port.isdigit():
        raise CannotCheckError(f"'{addresses.amqp}' is no address of a broker: write it as host:port")
    url = make_url(host=host, port=int(port), login=USER, password=addresses.monitor_password, virtualhost=vhost)
    return aio_pika.Connection(url, client_properties={"connection_name": "verify"})
