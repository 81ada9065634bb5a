"""One order is one trace, across the three services and whatever happens to them."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID, uuid4

from outside.books import Books
from outside.collector import Collector, Span
from outside.shop import Shop
from outside.waiting import eventually

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


def family(spans: Sequence[Span]) -> Counter[tuple[str, str]]:
    """Each span's name with its parent's."""
    names = {span.id: f"{span.service}: {span.name}" for span in spans} | {CALLER: "the caller"}
    return Counter((names[span.id], names.get(span.parent_id, "nobody we know")) for span in spans)


async def placed(shop: Shop, customer: str, sku: str) -> tuple[UUID, str]:
    """An order, in a trace of the caller's; both ids."""
    trace_id = uuid4().hex
    answer = await shop.place(customer, {sku: 1}, headers={"traceparent": f"00-{trace_id}-{CALLER}-01"})
    assert answer.status == 202, answer.text
    return UUID(answer.json()["id"]), trace_id


async def test_one_trace_shows_an_orders_whole_way_through_three_services(
    shop: Shop, books: Books, customer: str, sku: str, collector: Collector
) -> None:
    order_id, trace_id = await placed(shop, customer, sku)
    events = await books.settled(order_id)

    spans = await eventually(lambda: collector.trace(trace_id), lambda spans: len(spans) >= len(SAGA))

    assert family(spans) == Counter(SAGA)
    assert {span.attributes.get("quicksand.order_id", str(order_id)) for span in spans} == {str(order_id)}
    assert not any(span.failed for span in spans)
    assert {event.traceparent for event in events} <= {f"00-{trace_id}-{span.id}-01" for span in spans}
