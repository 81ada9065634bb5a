"""Events of one order that arrive in an order they were not published in."""

from native import Stack
from outside.books import Books
from outside.bus import Bus
from outside.mailbox import Mailbox, message_id
from outside.provider import Provider
from outside.shop import Shop
from outside.waiting import eventually

# The reversal was ours: without this `verify` would rightly name it as events that went backwards.
FORGET_REVERSAL = "UPDATE inbox SET position = DEFAULT WHERE subject = '{}' AND type = 'order.cancelled.v1'"


async def test_a_cancellation_that_overtakes_its_order_leaves_a_tombstone_and_nothing_is_charged(
    *, shop: Shop, books: Books, bus: Bus, provider: Provider, mailbox: Mailbox, stack: Stack, customer: str, sku: str
) -> None:
    async with books.silence("orders"):
        order_id = await shop.placed(customer, {sku: 1})
        await shop.cancelled(customer, order_id)
        placed, cancelled = await books.events(order_id)

        await bus.publish(cancelled, only_to="payment")
        tombstone = await eventually(lambda: books.payment(order_id), lambda payment: payment is not None)
        await bus.publish(placed, only_to="payment")

    await books.settled(order_id)
    assert tombstone is not None
    assert tombstone["status"] == "voided"
    assert await books.payment(order_id) == tombstone
    assert await provider.ledger(order_id) == []
    assert (await shop.stock(sku))["available"] == 1000
    await mailbox.got(customer, message_id(order_id, "order_cancelled"))
    stack.sql(FORGET_REVERSAL.format(order_id), database="payments")


async def test_a_refund_announced_before_its_cancellation_is_heard_of_still_leads_to_one_mail_each(
    *, shop: Shop, books: Books, bus: Bus, provider: Provider, mailbox: Mailbox, customer: str, sku: str
) -> None:
    confirmed, cancelled, refunded = "order_confirmed", "order_cancelled", "payment_refunded"
    order_id = await shop.placed(customer, {sku: 1})
    await shop.ended(customer, order_id)
    await books.notified(order_id, confirmed)
    async with books.silence("orders"):
        await shop.cancelled(customer, order_id)
        cancellation = (await books.events(order_id))[2]
        assert cancellation.type == "order.cancelled.v1"

        await bus.publish(cancellation, only_to="payment")
        await books.notified(order_id, confirmed, refunded)

    await books.settled(order_id)
    assert await mailbox.mail_ids(customer) == [message_id(order_id, kind) for kind in (confirmed, refunded, cancelled)]
    assert await provider.ledger(order_id) == ["capture", "refund"]
