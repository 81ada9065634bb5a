"""The timeline: all of it while everybody answers, what came in time while somebody does not, and never an error."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from chassis.peers import POLICY
from native import Stack
from outside.meters import Meters
from outside.shop import Shop
from outside.waiting import eventually

Document = dict[str, Any]


@asynccontextmanager
async def frozen(stack: Stack, service: str) -> AsyncIterator[None]:
    """No instance of this service does anything inside; all connections stay open."""
    instances = stack.plan.instances(service)
    try:
        await asyncio.gather(*(asyncio.to_thread(stack.freeze, name) for name in instances))
        yield
    finally:
        await asyncio.gather(*(asyncio.to_thread(stack.resume, name) for name in instances))


@pytest.fixture
async def order_id(shop: Shop, customer: str, sku: str) -> UUID:
    order_id = await shop.placed(customer, {sku: 1})
    await shop.ended(customer, order_id)
    return order_id


async def timeline(shop: Shop, customer: str, order_id: UUID) -> Document:
    answer = await shop.ask("GET", f"/orders/{order_id}/timeline", customer=customer)
    assert answer.status == 200, answer.text
    document: Document = answer.json()
    return document


def whole(document: Document) -> bool:
    return bool(document["harvest"] == 1 and document["notifications"])


async def test_a_timeline_holds_what_every_service_knows(shop: Shop, customer: str, order_id: UUID) -> None:
    document = await eventually(lambda: timeline(shop, customer, order_id), whole)

    assert document["missing"] == []
    assert document["order"]["status"] == "confirmed"
    assert document["payments"][0]["status"] == "captured"
    assert document["notifications"][0]["kind"] == "order_confirmed"


@pytest.mark.parametrize(("service", "part"), [("payment", "payments"), ("notification", "notifications")])
async def test_a_service_that_hangs_is_missing_in_time_and_is_there_again_when_it_goes_on(
    *, service: str, part: str, shop: Shop, customer: str, order_id: UUID, stack: Stack, meters: Meters
) -> None:
    await eventually(lambda: timeline(shop, customer, order_id), whole)
    missing = {"result": "answered", "service": service}
    answered = await meters.total("order", "timeline_parts_total", **missing)
    quickest, found = 30.0, Counter[tuple[object, ...]]()

    async with frozen(stack, service):
        for _ in range(4 * POLICY.breaker.consecutive_failures):
            began = time.monotonic()
            document = await timeline(shop, customer, order_id)
            quickest = min(quickest, time.monotonic() - began)
            assert service in document["missing"]
            assert (document[part], document["order"]["id"]) == (None, str(order_id))
            found[document["harvest"], *document["missing"]] += 1
    # All others answer; but where the machine stalls for a moment, one of them may be too late once.
    [(usual, _)] = found.most_common(1)
    assert usual == (0.67, service)
    # Once the breaker is open nobody waits for it any more.
    assert quickest < POLICY.timeout_seconds
    assert await meters.total("order", "timeline_parts_total", **missing) == answered

    await eventually(lambda: timeline(shop, customer, order_id), whole)


async def test_somebody_elses_timeline_does_not_exist(shop: Shop, order_id: UUID) -> None:
    answer = await shop.ask("GET", f"/orders/{order_id}/timeline", customer="somebody-else")
    assert answer.status == 404
