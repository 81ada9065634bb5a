"""The provider is down for a while. One outage, longer than the charge give-up of 8 s, and three orders in it."""

from dataclasses import dataclass
from uuid import UUID

import pytest

from outside.books import Books
from outside.mailbox import Mailbox, message_id
from outside.provider import Provider
from outside.shop import Shop, fresh
from outside.waiting import eventually

FAILED_CALLS = "SELECT count(*) FROM effects WHERE subject = $1 AND kind = 'charge' AND outcome LIKE '%503%'"


@dataclass(frozen=True)
class Bought:
    """Whose order it is, and what of."""

    customer: str
    sku: str
    order_id: UUID


@dataclass(frozen=True)
class Outage:
    """`given_up` was voided while the provider was down, `cancelled` by its customer, `patient` was placed last."""

    given_up: Bought
    cancelled: Bought
    patient: Bought


async def buy(shop: Shop) -> Bought:
    customer, sku = fresh("customer"), await shop.stock_up(10)
    return Bought(customer, sku, await shop.placed(customer, {sku: 1}))


@pytest.fixture(scope="module")
async def outage(shop: Shop, provider: Provider, books: Books) -> Outage:
    async with provider.faults(down=True):
        given_up, cancelled = await buy(shop), await buy(shop)
        await tried_in_vain(books, cancelled)
        await shop.cancelled(cancelled.customer, cancelled.order_id)
        await shop.payment_is(given_up.customer, given_up.order_id, "voiding")
        patient = await buy(shop)
        await tried_in_vain(books, patient)
    return Outage(given_up, cancelled, patient)


async def tried_in_vain(books: Books, bought: Bought) -> None:
    await eventually(lambda: books.value("payments", FAILED_CALLS, bought.order_id), lambda count: count > 0)


async def test_an_order_that_could_not_be_charged_in_time_is_cancelled_and_no_money_is_taken(
    outage: Outage, shop: Shop, provider: Provider, mailbox: Mailbox
) -> None:
    customer, sku, order_id = outage.given_up.customer, outage.given_up.sku, outage.given_up.order_id

    order = await shop.ended(customer, order_id)

    assert (order["status"], order["reason"]) == ("cancelled", "provider_unavailable")
    payment = await shop.payment_is(customer, order_id, "voided")
    assert payment["reason"] == "provider_unavailable"
    assert await provider.ledger(order_id) == ["void"]
    assert (await shop.stock(sku))["available"] == 10
    await mailbox.got(customer, message_id(order_id, "order_cancelled"))
    assert "could not be reached" in (await mailbox.mails(customer))[0].text


async def test_an_order_cancelled_before_it_could_be_charged_is_never_captured(
    outage: Outage, shop: Shop, provider: Provider, mailbox: Mailbox, books: Books
) -> None:
    customer, order_id = outage.cancelled.customer, outage.cancelled.order_id

    await shop.payment_is(customer, order_id, "voided")

    assert await provider.ledger(order_id) == ["void"]
    assert (await shop.order(customer, order_id))["reason"] == "customer_request"
    events = [event.type for event in await books.settled(order_id)]
    assert "payment.voided.v1" in events
    assert "payment.captured.v1" not in events
    await mailbox.got(customer, message_id(order_id, "order_cancelled"))


async def test_an_order_whose_provider_comes_back_in_time_is_confirmed(
    outage: Outage, shop: Shop, provider: Provider, mailbox: Mailbox
) -> None:
    customer, sku, order_id = outage.patient.customer, outage.patient.sku, outage.patient.order_id

    assert (await shop.ended(customer, order_id))["status"] == "confirmed"

    assert await provider.ledger(order_id) == ["capture"]
    assert (await shop.stock(sku))["sold"] == 1
    await mailbox.got(customer, message_id(order_id, "order_confirmed"))
