"""A provider that comes and goes, each time sooner than we give up: no order pays for it, and nobody floods it."""

import asyncio

import pytest

from faults.proxy import Link, Proxy, proxied
from faults.system import SKUS, System

FLAPS = 10
DOWN_SECONDS, UP_SECONDS = 0.4, 1.6
LATENCY_MS = 200
BULKHEAD = 4  # calls at a time of each replica
MOST_PER_SECOND = 10.0  # the bulkheads of both let pass 40, while the provider is up
SETTINGS = {
    "payment": {
        "QS_EFFECT_CONCURRENCY": str(BULKHEAD),
        "QS_CALL_TIMEOUT_SECONDS": "5",  # calls fail because the provider is down, and not because the machine is slow
        "QS_EFFECT_LEASE_SECONDS": "8",
        "QS_CHARGE_GIVE_UP_SECONDS": "12",
    },
    "order": {"QS_ORDER_TTL_SECONDS": "25"},
}
DEADLOCKS = "SELECT sum(deadlocks) FROM pg_stat_database"
GIVEN_UP = "SELECT count(*) FROM orders WHERE reason = 'provider_unavailable'"


class Calls:
    """How many calls are under way at the provider, and how many have ever been at once."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self.most = 0
        proxy.on_request = self._count

    def _count(self, _: Link, __: bytes) -> None:
        self.most = max(self.most, sum(link.busy for link in self._proxy.links))


@pytest.mark.faults_long
async def test_a_flapping_provider_costs_no_order_and_is_never_called_by_more_than_the_bulkheads_let(
    system: System,
) -> None:
    async with proxied(system.stack.ports["provider"]) as proxy:
        calls = Calls(proxy)
        url = {"QS_PROVIDER_URL": f"http://127.0.0.1:{proxy.port}"}
        async with system.told_otherwise({**SETTINGS, "payment": {**SETTINGS["payment"], **url}}):
            deadlocks = system.stack.sql(DEADLOCKS)
            load = system.load(skus=SKUS[:4])
            async with asyncio.TaskGroup() as group:
                group.create_task(load.run(10**6, min(system.per_second, MOST_PER_SECOND)))
                for _ in range(FLAPS):
                    async with system.provider.faults(down=True):
                        await asyncio.sleep(DOWN_SECONDS)
                    async with system.provider.faults(latency_ms=LATENCY_MS):
                        await asyncio.sleep(UP_SECONDS)
                load.stop()
            verdict = await system.verified()

    assert verdict.counts("terminal")["accepted"] == len(load.accepted)
    assert verdict.counts("leftovers")["parked"] == 0
    assert await system.books.value("orders", GIVEN_UP) == 0
    assert system.stack.sql(DEADLOCKS) == deadlocks
    assert calls.most <= BULKHEAD * len(system.replicas("payment"))
    assert calls.most > BULKHEAD, "both replicas must have been at work"
