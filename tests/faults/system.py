"""The system under attack: its stack, its outside world, and the rest to which it must come."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp

from bearer import Tokens
from faults.byhand import ByHand
from faults.load import TOKENS, Load
from faults.verdict import Verdict, verify
from native import Stack, processes, rabbitmq
from native.ports import SERVICES, split_instance
from outside.books import Books
from outside.provider import Provider
from outside.shop import Shop
from topology.management import Management
from verify.told import read

REST_SECONDS = 90.0
POLL_SECONDS = 0.05
SKUS = tuple(f"ticket-{number}" for number in range(8))
STOCKED = MANY = 1_000_000


class System:
    """One stack with two replicas of each service. `told` is the record of what clients were told in this test."""

    def __init__(self, stack: Stack, session: aiohttp.ClientSession, books: Books, per_second: float) -> None:
        self.stack = stack
        self.session = session
        self.books = books
        self.per_second = per_second
        self.shop = Shop(session, stack.url("edge"), Tokens.load(stack.name))
        self.provider = Provider(session, stack.url("provider"))
        self.broker = Management(stack.url("rabbitmq"), "topology", stack.secret("topology"))
        self.told = Path()
        self.seed = ""
        self.at_rest = False

    def replicas(self, service: str) -> list[str]:
        """Its instances."""
        return self.stack.plan.instances(service)

    @property
    def everything(self) -> list[str]:
        """Every instance of every service."""
        return [name for service in SERVICES for name in self.replicas(service)]

    def load(self, *, skus: tuple[str, ...] = SKUS, named: str = "") -> Load:
        """A stream of orders, to be run; the same one for the same seed."""
        return Load(self.shop, self.told, skus, self.seed + named)

    async def placed(self, orders: int, *, tokens: Mapping[str, int] = TOKENS) -> Load:
        """So many orders at a third of the capacity, every one of them accepted in the end."""
        load = self.load()
        await load.run(orders, self.per_second, tokens)
        assert len(load.accepted) == orders, f"{orders - len(load.accepted)} customers gave up: {load.answers}"
        return load

    @asynccontextmanager
    async def ordering(self, least: int, *, tokens: Mapping[str, int] = TOKENS) -> AsyncIterator[Load]:
        """Inside, orders flow at a third of the capacity; at the end so many or more were sent, every one accepted."""
        load = self.load()
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run(MANY, self.per_second, tokens))
            yield load
            load.stop(least=least)
        accepted = {wish.key for wish in load.accepted.values()}
        assert {told.key for told in read(self.told)} == accepted, f"customers gave up: {load.answers}"
        assert len(accepted) >= least

    async def verdict(self, *, wait_seconds: float = REST_SECONDS, explained: tuple[str, ...] = ()) -> Verdict:
        """What `verify` says."""
        verdict = await verify(self.stack.name, self.told, wait_seconds=wait_seconds, explained=explained)
        self.at_rest = verdict.at_rest
        return verdict

    async def verified(self, *, explained: tuple[str, ...] = ()) -> Verdict:
        """The same, and it must be green."""
        verdict = await self.verdict(explained=explained)
        assert verdict.ok, f"verify is red\n{verdict}"
        return verdict

    @asynccontextmanager
    async def by_hand(
        self, component: str, *, fault: str = "", mutant: str = "", alone: bool = False
    ) -> AsyncIterator[ByHand]:
        """Inside, this replica is run by hand and has every queue of its service: the others come after it, or never.

        At the end the supervised ones are in their places again.
        """
        service, _ = split_instance(component)
        process = ByHand(self.stack, component, fault=fault, mutant=mutant)
        await self.gone(*self.replicas(service))
        others = [name for name in self.replicas(service) if name != component and not alone]
        try:
            await process.start()
            async with asyncio.TaskGroup() as group:
                group.create_task(self.ready(*others))  # meanwhile this one is alone
                yield process
        finally:
            await process.stop()
            await self.ready(*self.replicas(service))

    @asynccontextmanager
    async def told_otherwise(self, settings: Mapping[str, Mapping[str, str]]) -> AsyncIterator[None]:
        """Inside, the services have these settings on top of their usual ones."""
        plan = self.stack.plan
        up = partial(self.stack.up, replicas=plan.replicas, patroni=plan.patroni)
        changed = {service: {**plan.settings[service], **settings.get(service, {})} for service in SERVICES}
        await asyncio.to_thread(up, settings=changed)
        try:
            yield
        finally:
            await asyncio.to_thread(up, settings=plan.settings)

    async def gone(self, *components: str) -> None:
        """Kill these, and let their supervisor not start them again."""
        await asyncio.gather(*(asyncio.to_thread(self._end, component) for component in components))

    def _end(self, component: str) -> None:
        """Told to stop first, so that supervisord does not start it again; then it need not be waited for."""
        with ThreadPoolExecutor(1) as thread:
            stopped = thread.submit(self.stack.stop, component)
            while not stopped.done():
                process = self.stack.supervisor.process(component)
                if process["statename"] == "STOPPING" and process["pid"]:
                    processes.kill(process["pid"])
                time.sleep(POLL_SECONDS)
            stopped.result()

    async def ready(self, *components: str) -> None:
        """Start what does not run, and wait until these serve."""
        await asyncio.gather(*(asyncio.to_thread(self.stack.start, component) for component in components))

    async def applied_topology(self) -> None:
        """Let the topology job bring the broker back to what is declared."""
        await asyncio.to_thread(rabbitmq.apply_topology, self.stack.layout, self.stack.plan)

    def purge(self, vhost: str, queue: str) -> None:
        """Throw away what is ready in a queue."""
        self.broker.delete("queues", vhost, queue, "contents")
