"""Every event may come twice: the inbox knows it, and nothing changes but the count of how often it was seen."""

from dataclasses import replace

import pytest

from outside.books import Books, subscribers
from outside.bus import Bus
from outside.mailbox import Mailbox
from outside.provider import Provider
from outside.shop import Shop
from outside.waiting import eventually

STORIES = {  # the card, and whether the order is cancelled once it is confirmed
    "a confirmed order": ("tok_ok", False),
    "a declined order": ("tok_declined", False),
    "an order cancelled after capture": ("tok_ok", True),
}


@pytest.mark.parametrize("story", STORIES)
async def test_events_delivered_twice_change_nothing(
    *, story: str, shop: Shop, books: Books, bus: Bus, provider: Provider, mailbox: Mailbox, customer: str, sku: str
) -> None:
    token, cancelled = STORIES[story]
    order_id = await shop.placed(customer, {sku: 1}, token=token)
    await shop.ended(customer, order_id)
    if cancelled:
        await shop.cancelled(customer, order_id)
    events = await books.settled(order_id)

    async def everything() -> list[object]:
        mails = await mailbox.mails(customer)
        return [await books.state(order_id), await shop.stock(sku), await provider.ledger(order_id), mails]

    before, receipts = await everything(), await books.receipts(order_id)
    assert len(receipts) == sum(len(subscribers(event.type)) for event in events)

    await bus.publish(*events)

    once_more = [replace(receipt, seen=receipt.seen + 1) for receipt in receipts]
    await eventually(lambda: books.receipts(order_id), lambda found: found == once_more)
    assert await everything() == before
