"""The provider moves the money and its answer is lost, or comes later than anybody waits for it."""

from uuid import UUID

import pytest

from outside.books import Books
from outside.mailbox import Mailbox, message_id
from outside.provider import Provider
from outside.shop import Shop, fresh

CALL_TIMEOUT_SECONDS = 0.5  # as the stack of the tests is told


async def test_money_taken_whose_answer_was_lost_is_found_again_or_given_back(
    shop: Shop, provider: Provider, mailbox: Mailbox, sku: str
) -> None:
    late, soon = fresh("customer"), fresh("customer")
    async with provider.faults(lost_answer_rate=1):
        given_up = await shop.placed(late, {sku: 1})
        await provider.ledger_says(given_up, "capture", "refund", "void")  # after the give-up
        found = await shop.placed(soon, {sku: 1})
        await provider.ledger_says(found, "capture")
        assert (await shop.order(late, given_up))["status"] == "pending"
        assert (await shop.order(soon, found))["status"] == "pending"

    assert (await shop.ended(soon, found))["status"] == "confirmed"
    assert (await shop.ended(late, given_up))["reason"] == "provider_unavailable"

    assert await provider.ledger(found) == ["capture"]
    assert await provider.kept_cents(given_up) == 0
    await mailbox.got(soon, message_id(found, "order_confirmed"))
    await mailbox.got(late, message_id(given_up, "order_cancelled"))


async def test_an_order_cancelled_while_its_charge_is_under_way_keeps_nothing_of_its_customers_money(
    shop: Shop, provider: Provider, books: Books, customer: str, sku: str
) -> None:
    async with provider.faults(latency_ms=int(CALL_TIMEOUT_SECONDS * 3000)):
        order_id = await shop.placed(customer, {sku: 1})
        await shop.payment_is(customer, order_id, "pending")
        await shop.cancelled(customer, order_id)
        await shop.payment_is(customer, order_id, "voiding")

    await shop.payment_is(customer, order_id, "voided")

    assert await provider.kept_cents(order_id) == 0
    assert (await provider.ledger(order_id))[-1] == "void"
    await books.settled(order_id)
    assert (await shop.stock(sku))["available"] == 1000


@pytest.mark.parametrize("token", ["tok_slow", "tok_down_once"])
async def test_a_charge_that_fails_at_first_is_tried_again_and_taken_once(
    token: str, shop: Shop, provider: Provider, customer: str, sku: str
) -> None:
    order_id: UUID = await shop.placed(customer, {sku: 1}, token=token)

    assert (await shop.ended(customer, order_id))["status"] == "confirmed"

    assert await provider.ledger(order_id) == ["capture"]


async def test_random_failures_of_the_provider_take_nobodys_money_twice(
    shop: Shop, provider: Provider, books: Books, customer: str, sku: str
) -> None:
    async with provider.faults(error_rate=0.3, lost_answer_rate=0.3, jitter_ms=100):
        placed = [await shop.placed(customer, {sku: 1}) for _ in range(20)]
        ended = {order_id: await shop.ended(customer, order_id) for order_id in placed}

    for order_id, order in ended.items():
        await books.settled(order_id)  # a charge that was given up may still have to be voided
        paid = order["status"] == "confirmed"
        assert await provider.kept_cents(order_id) == (order["total_cents"] if paid else 0)
