"""The mail server is away, or refuses: orders go on, and each mail arrives once or is failed for good."""

from native import Stack
from outside.mailbox import Mailbox, message_id
from outside.outages import away
from outside.shop import Shop, fresh
from outside.waiting import eventually

CONFIRMED = "order_confirmed"


async def test_orders_go_on_without_the_mail_server_and_their_mails_arrive_once_when_it_is_back(
    shop: Shop, mailbox: Mailbox, stack: Stack, sku: str
) -> None:
    customers = [fresh("customer") for _ in range(3)]
    async with away(stack, "mailsink"):
        placed = {customer: await shop.placed(customer, {sku: 1}) for customer in customers}
        for customer, order_id in placed.items():
            assert (await shop.ended(customer, order_id))["status"] == "confirmed"
            waiting = await eventually(lambda: shop.notifications(customer, order_id), bool)  # noqa: B023
            assert waiting[CONFIRMED]["status"] == "waiting"

    for customer, order_id in placed.items():
        await mailbox.got(customer, message_id(order_id, CONFIRMED))


async def test_a_recipient_refused_for_good_fails_the_notification_and_not_the_order(
    shop: Shop, mailbox: Mailbox, customer: str, sku: str
) -> None:
    async with mailbox.refusing(550):
        order_id = await shop.placed(customer, {sku: 1})
        found = await eventually(
            lambda: shop.notifications(customer, order_id), lambda rows: rows and rows[CONFIRMED]["status"] != "waiting"
        )

    assert found[CONFIRMED]["status"] == "failed"
    assert found[CONFIRMED]["reason"].startswith("550 ")
    assert (await shop.order(customer, order_id))["status"] == "confirmed"
    assert await mailbox.mails(customer) == []


async def test_a_recipient_refused_for_now_gets_the_mail_later(
    shop: Shop, mailbox: Mailbox, customer: str, sku: str
) -> None:
    async with mailbox.refusing(451):
        order_id = await shop.placed(customer, {sku: 1})
        await shop.ended(customer, order_id)
        found = await eventually(lambda: shop.notifications(customer, order_id), bool)
        assert found[CONFIRMED]["status"] == "waiting"
        assert await mailbox.mails(customer) == []

    await mailbox.got(customer, message_id(order_id, CONFIRMED))
