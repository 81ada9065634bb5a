"""Nobody pays in time: the payment service is away for longer than an order waits (25 s)."""

from dataclasses import dataclass
from uuid import UUID

import pytest

from native import Stack
from outside.books import Books
from outside.mailbox import Mailbox, message_id
from outside.outages import away
from outside.provider import Provider
from outside.shop import Shop, fresh


@dataclass(frozen=True)
class Unpaid:
    """Two orders of one customer that nobody charged while they lived: one expired, one was cancelled before that."""

    customer: str
    sku: str
    expired: UUID
    cancelled: UUID


@pytest.fixture(scope="module")
async def unpaid(stack: Stack, shop: Shop) -> Unpaid:
    customer, sku = fresh("customer"), await shop.stock_up(10)
    async with away(stack, "payment", "payment-2"):
        expired, cancelled = [await shop.placed(customer, {sku: 4}) for _ in range(2)]
        assert (await shop.stock(sku))["reserved"] == 8
        await shop.cancelled(customer, cancelled)
        order = await shop.ended(customer, expired)
        assert (order["status"], order["reason"]) == ("cancelled", "expired")
    return Unpaid(customer, sku, expired, cancelled)


async def test_an_order_nobody_paid_in_time_gives_its_stock_back_and_says_so_by_mail(
    unpaid: Unpaid, shop: Shop, mailbox: Mailbox
) -> None:
    assert await shop.stock(unpaid.sku) == {"stocked": 10, "available": 10, "reserved": 0, "sold": 0}
    ids = [message_id(order_id, "order_cancelled") for order_id in (unpaid.expired, unpaid.cancelled)]
    await mailbox.got(unpaid.customer, *ids)
    assert any("not paid in time" in mail.text for mail in await mailbox.mails(unpaid.customer))


async def test_what_a_deadline_brings_about_goes_on_in_the_orders_own_trace(unpaid: Unpaid, books: Books) -> None:
    events = await books.settled(unpaid.expired)

    assert len(events) > 3
    assert len({event.traceparent[:35] for event in events if event.traceparent}) == 1
    assert all(event.traceparent for event in events)


async def test_a_payment_service_that_comes_back_too_late_charges_nothing(
    unpaid: Unpaid, shop: Shop, provider: Provider, books: Books
) -> None:
    for order_id in (unpaid.expired, unpaid.cancelled):
        events = [event.type for event in await books.settled(order_id)]

        payment = await shop.payment_is(unpaid.customer, order_id, "declined")
        assert payment["reason"] == "expired"
        assert await provider.ledger(order_id) == []
        assert "payment.declined.v1" in events
        assert (await shop.order(unpaid.customer, order_id))["status"] == "cancelled"
