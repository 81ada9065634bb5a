"""The ways an order goes when nothing is broken: paid, not paid, given back."""

from uuid import UUID

import pytest

from outside.books import Books
from outside.mailbox import Mailbox, message_id
from outside.provider import Provider
from outside.shop import Shop

SHELF = {"stocked": 1000, "reserved": 0}


async def test_a_paid_order_is_confirmed_charged_once_and_announced_by_one_mail(
    *, shop: Shop, provider: Provider, mailbox: Mailbox, books: Books, customer: str, sku: str
) -> None:
    answer = await shop.place(customer, {sku: 2})
    order_id = UUID(answer.json()["id"])
    assert (answer.status, answer.headers["Location"]) == (202, f"/orders/{order_id}")
    assert {"status": "pending", "total_cents": 2500, "currency": "EUR"}.items() <= answer.json().items()

    order = await shop.ended(customer, order_id)

    assert (order["status"], order["reason"]) == ("confirmed", None)
    assert order["items"] == [{"sku": sku, "quantity": 2, "unit_price_cents": 1250}]
    assert await shop.stock(sku) == {**SHELF, "available": 998, "sold": 2}
    assert (await shop.payment_is(customer, order_id, "captured"))["amount_cents"] == 2500
    assert await provider.ledger(order_id) == ["capture"]
    assert await provider.kept_cents(order_id) == 2500
    await books.settled(order_id)
    (mail,) = await mailbox.mails(customer)
    assert mail.message_id == message_id(order_id, "order_confirmed")
    assert mail.subject == f"Your order {order_id} is confirmed"
    assert "25.00 EUR" in mail.text
    notifications = await shop.notifications(customer, order_id)
    assert {kind: row["status"] for kind, row in notifications.items()} == {"order_confirmed": "sent"}


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("tok_declined", "card_declined"),
        ("tok_insufficient_funds", "insufficient_funds"),
        ("tok_expired_card", "expired_card"),
        ("tok_nobody_knows", "invalid_token"),
    ],
)
async def test_an_order_that_cannot_be_paid_is_cancelled_and_its_stock_given_back(
    *, token: str, reason: str, shop: Shop, provider: Provider, mailbox: Mailbox, customer: str, sku: str
) -> None:
    order_id = await shop.placed(customer, {sku: 3}, token=token)

    order = await shop.ended(customer, order_id)

    assert (order["status"], order["reason"]) == ("cancelled", "payment_declined")
    assert await shop.stock(sku) == {**SHELF, "available": 1000, "sold": 0}
    assert (await shop.payment_is(customer, order_id, "declined"))["reason"] == reason
    assert await provider.ledger(order_id) == ["decline"]
    await mailbox.got(customer, message_id(order_id, "order_cancelled"))


async def test_a_confirmed_order_that_is_cancelled_is_refunded_and_both_are_announced(
    *, shop: Shop, provider: Provider, mailbox: Mailbox, books: Books, customer: str, sku: str
) -> None:
    order_id = await shop.placed(customer, {sku: 1})
    assert (await shop.ended(customer, order_id))["status"] == "confirmed"

    await shop.cancelled(customer, order_id)

    assert await shop.stock(sku) == {**SHELF, "available": 1000, "sold": 0}
    await shop.payment_is(customer, order_id, "refunded")
    assert await provider.ledger(order_id) == ["capture", "refund"]
    kinds = ("order_confirmed", "order_cancelled", "payment_refunded")
    await mailbox.got(customer, *(message_id(order_id, kind) for kind in kinds))
    await books.settled(order_id)


async def test_cancelling_twice_changes_nothing_the_second_time(
    shop: Shop, books: Books, provider: Provider, customer: str, sku: str
) -> None:
    order_id = await shop.placed(customer, {sku: 1})
    first = await shop.cancelled(customer, order_id)

    assert await shop.cancelled(customer, order_id) == first

    events = [event.type for event in await books.settled(order_id) if event.source == "order"]
    assert events.count("order.cancelled.v1") == 1
    assert await shop.stock(sku) == {**SHELF, "available": 1000, "sold": 0}
    assert await provider.kept_cents(order_id) == 0


async def test_cancelling_an_order_that_was_declined_leaves_it_as_it_is(shop: Shop, customer: str, sku: str) -> None:
    order_id = await shop.placed(customer, {sku: 1}, token="tok_declined")
    order = await shop.ended(customer, order_id)

    answer = await shop.cancel(customer, order_id)

    assert (answer.status, answer.json()) == (200, order)
