"""What can be told about one order: who caused what, and how long it took."""

import time
from uuid import UUID, uuid4

import pytest

from outside.books import Books
from outside.shop import Shop
from outside.waiting import eventually

QUICK_SECONDS = 2.0  # well under 0.3 s on an idle machine; this one may be busy with others' work
TRIES = 5


async def test_the_callers_correlation_id_goes_through_every_event_of_the_order(
    shop: Shop, books: Books, customer: str, sku: str
) -> None:
    correlation_id = uuid4()
    answer = await shop.place(customer, {sku: 1}, headers={"X-Correlation-Id": str(correlation_id)})
    assert answer.headers["X-Correlation-Id"] == str(correlation_id)
    order_id = UUID(answer.json()["id"])
    await shop.ended(customer, order_id)

    events = {event.type: event for event in await books.settled(order_id)}

    chain = ["order.placed.v1", "payment.captured.v1", "order.confirmed.v1", "notification.sent.v1"]
    assert sorted(events) == sorted(chain)
    assert {event.correlationid for event in events.values()} == {correlation_id}
    causes = [None, *(events[type_].id for type_ in chain[:-1])]
    assert [events[type_].causationid for type_ in chain] == causes


async def test_an_orders_events_stay_in_the_partition_it_was_placed_in(
    shop: Shop, books: Books, customer: str, sku: str
) -> None:
    order_id = await shop.placed(customer, {sku: 1})
    await shop.ended(customer, order_id)

    events = await books.settled(order_id)

    assert {event.partition for event in events} == {order_id.int % 4}
    assert [event.sequence for event in events if event.source == "order"] == [1, 2]


async def test_a_lone_order_is_confirmed_at_once(
    shop: Shop, customer: str, sku: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await shop.ended(customer, await shop.placed(customer, {sku: 1}))  # every connection is open now

    confirmed, accepted = min([await timed(shop, customer, sku) for _ in range(TRIES)])

    with capsys.disabled():
        print(f"\n  a lone order: accepted after {accepted * 1000:.0f} ms, confirmed after {confirmed * 1000:.0f} ms")
    assert confirmed < QUICK_SECONDS


async def timed(shop: Shop, customer: str, sku: str) -> tuple[float, float]:
    """After how many seconds an order is confirmed, and after how many it was accepted."""
    started = time.perf_counter()
    order_id = await shop.placed(customer, {sku: 1})
    accepted = time.perf_counter() - started
    order = await eventually(
        lambda: shop.order(customer, order_id), lambda order: order["status"] != "pending", poll_seconds=0.005
    )
    confirmed = time.perf_counter() - started
    assert order["status"] == "confirmed"
    return confirmed, accepted
