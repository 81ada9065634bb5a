"""One order is one trace, across the three services and whatever happens to them."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID, uuid4

import aiohttp
import pytest
from faults.system import System

from native import Stack
from outside.books import Books
from outside.collector import Collector, Span
from outside.shop import Shop
from outside.waiting import eventually

Killed = Callable[[str], Awaitable[tuple[UUID, str]]]

CALLER = "00f067aa0ba902b7"  # the span of whoever asks, in whose trace the order is

PLACE, CHARGE, MAIL = "order: POST /orders", "payment: charge provider", "notification: mail smtp"
PLACED, CAPTURED = "payment: process order.placed.v1", "order: process payment.captured.v1"
CONFIRMED, SENT = "notification: process order.confirmed.v1", "order: process notification.sent.v1"

# Every span of an order that goes well, with its parent.
SAGA = {
    (PLACE, "the caller"),
    ("order: send order.placed.v1", PLACE),
    (PLACED, PLACE),
    (CHARGE, PLACED),
    ("payment: send payment.captured.v1", CHARGE),
    (CAPTURED, CHARGE),
    ("order: send order.confirmed.v1", CAPTURED),
    (CONFIRMED, CAPTURED),
    (MAIL, CONFIRMED),
    ("notification: send notification.sent.v1", MAIL),
    (SENT, MAIL),
}


def family(spans: Sequence[Span]) -> set[tuple[str, str]]:
    """Each span's name with its parent's; what is sent, delivered or called twice has the same parent twice."""
    names = {span.id: f"{span.service}: {span.name}" for span in spans} | {CALLER: "the caller"}
    return {(names[span.id], names.get(span.parent_id, "nobody we know")) for span in spans}


async def placed(shop: Shop, customer: str, sku: str) -> tuple[UUID, str]:
    """An order, in a trace of the caller's; both ids."""
    trace_id = uuid4().hex
    answer = await shop.place(customer, {sku: 1}, headers={"traceparent": f"00-{trace_id}-{CALLER}-01"})
    assert answer.status == 202, answer.text
    return UUID(answer.json()["id"]), trace_id


@pytest.fixture
def killed(stack: Stack, session: aiohttp.ClientSession, books: Books, shop: Shop, customer: str, sku: str) -> Killed:
    """Place an order that kills the notification service at a crash point; another replica goes on, in its own time."""

    async def place(point: str) -> tuple[UUID, str]:
        system = System(stack, session, books, per_second=1)
        async with system.by_hand("notification", fault=f"crash:{point}:1") as process:
            found = await placed(shop, customer, sku)
            await process.died()
        return found

    return place


async def test_one_trace_shows_an_orders_whole_way_through_three_services(
    shop: Shop, books: Books, customer: str, sku: str, collector: Collector
) -> None:
    order_id, trace_id = await placed(shop, customer, sku)
    events = await books.settled(order_id)

    spans = await eventually(lambda: collector.trace(trace_id), lambda spans: len(family(spans)) >= len(SAGA))

    assert family(spans) == SAGA
    assert {span.attributes.get("quicksand.order_id", str(order_id)) for span in spans} == {str(order_id)}
    assert not any(span.failed for span in spans)
    assert {event.traceparent for event in events} <= {f"00-{trace_id}-{span.id}-01" for span in spans}


async def test_a_question_that_is_put_to_every_service_is_one_trace(
    shop: Shop, books: Books, customer: str, sku: str, collector: Collector
) -> None:
    order_id, trace_id = await shop.placed(customer, {sku: 1}), uuid4().hex
    headers = {"traceparent": f"00-{trace_id}-{CALLER}-01"}
    path = f"/orders/{order_id}/timeline"
    await eventually(
        lambda: shop.ask("GET", path, customer=customer, headers=headers), lambda answer: answer.json()["missing"] == []
    )

    timeline = "order: GET /orders/{order_id}/timeline"
    asked = {
        (timeline, "the caller"),
        ("order: GET", timeline),
        ("payment: GET /payments", "order: GET"),
        ("notification: GET /notifications", "order: GET"),
    }
    spans = await eventually(lambda: collector.trace(trace_id), lambda spans: family(spans) >= asked)
    assert family(spans) == asked
    await books.settled(order_id)  # what it still causes would disturb the next test


async def test_a_message_redelivered_after_a_crash_has_the_same_parent_and_the_trace_is_whole(
    killed: Killed, books: Books, collector: Collector
) -> None:
    order_id, trace_id = await killed("consumer.before_commit")
    await books.settled(order_id)

    spans = await eventually(lambda: collector.trace(trace_id), lambda spans: len(family(spans)) >= len(SAGA))

    assert family(spans) == SAGA


async def test_what_was_committed_before_a_crash_goes_on_in_the_same_trace(
    killed: Killed, books: Books, collector: Collector
) -> None:
    """The span of the commit died with its process; whatever it has caused tells of it, and so does the duplicate."""
    order_id, trace_id = await killed("consumer.after_commit")
    await books.settled(order_id)
    written = await books.value("notifications", "SELECT traceparent FROM effects WHERE subject = $1", order_id)

    spans = await eventually(lambda: collector.trace(trace_id), lambda spans: len(family(spans)) >= len(SAGA))

    assert family(spans) == SAGA - {(MAIL, CONFIRMED)} | {(MAIL, "nobody we know")}
    found = {f"{span.service}: {span.name}": span for span in spans}
    assert found[CONFIRMED].attributes["quicksand.result"] == "duplicate"
    assert written == f"00-{trace_id}-{found[MAIL].parent_id}-01"
