"""The composition of a service: one process that answers HTTP, relays, consumes, performs effects and sweeps.

Shutdown, in this order, each step bounded: as before for a moment, so that the edge finds a neighbour that has just
started; unready, so that the edge looks elsewhere; the consumers end their batch and close their channels; HTTP ends;
effects end or give back their leases; the relay drains; the pools close.
"""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from types import MappingProxyType

import uvloop
from aio_pika.abc import AbstractRobustConnection
from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware

from chassis import errors, faults, lag, metrics, saga, tracing
from chassis.admission import Admission
from chassis.auth import Doorman
from chassis.body import BodyLimit
from chassis.broker import Publisher, connect
from chassis.cache import Cache, Cached
from chassis.consumer import Consumer
from chassis.db import Database
from chassis.effects import Step
from chassis.health import internal_app
from chassis.invalidation import Announcer
from chassis.logging import configure, get_logger
from chassis.loop import Loop
from chassis.migrations import check_migrated
from chassis.preset import preset
from chassis.reads import Reads
from chassis.redis import Redis
from chassis.relay import Relay
from chassis.runner import Runner
from chassis.serving import Server
from chassis.session import Listener
from chassis.settings import ServiceSettings
from chassis.shedding import Shedding
from chassis.subscription import Subscription
from chassis.telemetry import Telemetry
from chassis.throttle import Throttle
from chassis.upkeep import Upkeep
from chassis.worker import Worker

# A rolling update stops an instance as soon as its neighbour is ready. The edge asks twice a second who was away and
# may not know that yet; were it to drop this one first, there would be nobody.
EDGE_FINDS_SECONDS = 1.0
EDGE_NOTICES_SECONDS = 2.0  # it asks /readyz once a second
SWEEPS_SECONDS = 5.0
EFFECTS_SECONDS = 5.0
RELAY_SECONDS = 5.0

Sweep = Callable[[Database], Awaitable[bool | None]]


def create_api(settings: ServiceSettings, reads: Reads, routers: Sequence[APIRouter], **state: object) -> FastAPI:
    """The public HTTP app: problem documents, bounded bodies, correlation ids, nothing else on its port."""
    api = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # ours: chassis.telemetry
        middleware=[
            Middleware(Telemetry),
            Middleware(Shedding, target_seconds=settings.target_seconds),
            Middleware(BodyLimit),
        ],
    )
    for router in routers:
        api.include_router(router)
    api.state.settings = settings
    api.state.doorman = Doorman(settings)
    api.state.database = reads.database
    api.state.reads = reads
    for name, value in state.items():
        setattr(api.state, name, value)
    errors.install(api)
    return api


class Service:
    """One service, put together by its `app.py` and run by `python -m chassis serve <name>`."""

    def __init__(
        self,
        settings: ServiceSettings,
        consumer: Consumer,
        routers: Sequence[APIRouter],
        *,
        steps: Sequence[Step] = (),
        sweeps: Sequence[tuple[str, Sweep, float]] = (),
        resources: Sequence[AbstractAsyncContextManager[object]] = (),
        listeners: Sequence[Listener] = (),
        cached: Sequence[Cached] = (),
        state: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        consumer.check()
        contract = consumer.contract
        if not settings.metrics:
            metrics.silence()
        preset(contract, steps, routers, settings.partitions, [each.name for each in cached])
        self._settings = settings
        self._consumer = consumer
        self._resources = resources
        self._stopping = asyncio.Event()
        self._leaving = False
        self._database = Database(settings)
        self._reads = Reads(self._database)
        self._redis = Redis(settings)
        caches = {each.name: Cache(each, self._redis, self._reads) for each in cached}
        self._announcer = Announcer(self._database, caches)
        self._publisher = Publisher(settings, contract.vhost)
        self._relay = Relay(contract, self._database, self._publisher, settings.partitions)
        self._runner = Runner(self._database, steps, consumer.aggregate, settings)
        self._database.listeners += [saga.count_steps, *listeners]
        self._upkeep = Upkeep(self._database, [step.kind for step in steps])
        self._sweeps = [Loop(name, partial(sweep, self._database), pace) for name, sweep, pace in sweeps]
        self._worker = Worker(consumer, self._database)
        throttle = Throttle(self._redis, settings.customer_requests_per_second, settings.customer_burst)
        admission = Admission(throttle, lambda: self._upkeep.backlog_seconds, settings.most_backlog_seconds)
        api = create_api(settings, self._reads, routers, redis=self._redis, caches=caches, admission=admission, **state)
        self._api = Server(api, settings.http_host, settings.http_port)
        self._internal = Server(internal_app(self._missing), settings.http_host, settings.internal_port)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        faults.arm(self._settings.fault)
        if self._settings.fault:
            metrics.FAULTS_ACTIVE.labels(self._settings.fault, "this process").set(1)
        configure(self._consumer.contract.service, self._settings.log_level, tracing.name_trace)
        tracing.start(self._consumer.contract.service, self._settings.otlp_endpoint)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    def _missing(self) -> list[str]:
        """What keeps this service from being ready."""
        faults = {
            "stopping": self._leaving,
            "database": not self._upkeep.reachable,
            "broker": not self._publisher.connected,
        }
        return [name for name, at_fault in faults.items() if at_fault]

    async def _serve(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(tracing.stop)
            stack.push_async_callback(self._database.close)
            stack.push_async_callback(self._redis.close)
            for resource in self._resources:
                await stack.enter_async_context(resource)
            await check_migrated(self._database, self._consumer.contract.service)
            await self._publisher.open()
            stack.push_async_callback(self._publisher.close)
            for vhost in self._consumer.contract.consumes:
                connection = await connect(self._settings, vhost, "consume")
                stack.push_async_callback(connection.close)
                await self._subscribe(connection, vhost)
            await self._work()

    async def _subscribe(self, connection: AbstractRobustConnection, vhost: str) -> None:
        contract = self._consumer.contract
        queues = [Subscription(vhost, contract.queue(partition)) for partition in range(self._settings.partitions)]
        for subscription in (*queues, Subscription(vhost, contract.dead_letter_queue, dead=True)):
            self._worker.add(subscription)
            await subscription.open(connection, self._worker.line_up)

    async def _work(self) -> None:
        """Everything at once, each stopped in its turn; whatever fails for good ends the process."""
        loops = [self._upkeep.sampling, self._upkeep.keeping, self._reads.replica.watching]
        loops += self._announcer.loops
        async with asyncio.TaskGroup() as group:
            for loop in loops:
                group.create_task(loop.run(), name=loop.name)
            sweeping = [group.create_task(loop.run(), name=loop.name) for loop in self._sweeps]
            performing = [group.create_task(loop.run(), name=loop.name) for loop in self._runner.loops]
            measuring = group.create_task(lag.measure(), name="event loop lag")
            relaying = group.create_task(self._relay.loop.run())
            consuming = group.create_task(self._worker.run())
            serving = [group.create_task(server.serve()) for server in (self._api, self._internal)]
            _collect_less()
            get_logger().info("started", http_port=self._settings.http_port)
            await self._stopping.wait()
            get_logger().info("stopping")
            await asyncio.sleep(EDGE_FINDS_SECONDS)
            self._leaving = True
            await asyncio.sleep(EDGE_NOTICES_SECONDS)
            self._worker.stop()
            self._api.should_exit = True
            await asyncio.wait([consuming, serving[0]])
            for sweep in self._sweeps:
                sweep.stop()
            await _end(sweeping, SWEEPS_SECONDS)
            await self._runner.stop(EFFECTS_SECONDS)
            await _end(performing, 0)
            self._relay.loop.stop()
            await relaying
            await self._relay.drain(RELAY_SECONDS)
            for loop in loops:
                loop.stop()
            measuring.cancel()
            self._internal.should_exit = True


async def _end(tasks: Sequence[asyncio.Task[None]], seconds: float) -> None:
    """Let them end by themselves for so long; a step that takes longer is made again by whoever comes next."""
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()


def _collect_less() -> None:
    """What was loaded stays for good, and what a batch allocates is short-lived: look less often. Saves 7 % of CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)
