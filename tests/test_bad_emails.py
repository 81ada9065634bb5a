"""Mail addresses: what cannot be mailed is refused when the order is placed, not found out when it is too late."""

import json
from uuid import UUID

import pytest

from outside.books import Books
from outside.http import Answer
from outside.mailbox import Mailbox, message_id
from outside.refusals import assert_refused, nothing_written
from outside.shop import Shop, fresh

REFUSED = {
    "empty": "",
    "no at sign": "somebody",
    "nobody": "@customers.example",
    "nowhere": "somebody@",
    "two at signs": "some@body@customers.example",
    "a second header": "somebody@customers.example\r\nBcc: victim@customers.example",
    "a line break": "somebody@customers.example\n",
    "a carriage return": "some\rbody@customers.example",
    "a display name": "Somebody <somebody@customers.example>",
    "two addresses": "somebody@customers.example,victim@customers.example",
    "a NUL": "some\0body@customers.example",
    "a control character": "some\x01body@customers.example",
    "a delete character": "some\x7fbody@customers.example",
    "a lone surrogate": "\ud800@customers.example",
    "only dots": ".@.",
    "a broken address literal": "somebody@[1.2.3",
    "too long": "s" * 255 + "@customers.example",
}
ORDINARY = ["a+b@customers.example", "o'hara@customers.example", "a.b.c@sub.customers.example"]
ODD = [
    "a@localhost",
    "ä@customers.example",
    "a@müller.example",
    "a:b@customers.example",
    'a"b@customers.example',
    "a(b)@customers.example",
    "[a@customers.example",
    "a\\@customers.example",
    "a..b@customers.example",
    ".a@customers.example",
    "a@-.example",
    "a\u200b@customers.example",
    "=?utf-8?q?a?=@customers.example",
    "'@'",
]
SENT = "SELECT status = 'sent' FROM notifications WHERE order_id = $1"


async def order(shop: Shop, customer: str, sku: str, email: str) -> Answer:
    """An order with this address."""
    body = {"items": [{"sku": sku, "quantity": 1}], "payment_token": "tok_ok", "email": email}
    headers = {"Idempotency-Key": fresh("key")}
    return await shop.ask("POST", "/orders", customer=customer, body=json.dumps(body).encode(), headers=headers)


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_no_mail_address_is_refused(name: str, shop: Shop, books: Books, customer: str, sku: str) -> None:
    async with nothing_written(books, shop, customer, sku):
        answer = await order(shop, customer, sku, REFUSED[name])

    assert_refused(answer, 422, "email")


async def test_an_odd_mail_address_is_refused_or_its_mail_goes_there_and_nowhere_else(
    shop: Shop, books: Books, mailbox: Mailbox, customer: str, sku: str
) -> None:
    answers = {email: await order(shop, customer, sku, email) for email in (*ORDINARY, *ODD)}

    accepted = {email: UUID(answer.json()["id"]) for email, answer in answers.items() if answer.status == 202}
    for email in set(answers) - set(accepted):
        assert_refused(answers[email], 422, "email")
    assert set(ORDINARY) <= set(accepted)
    for email, order_id in accepted.items():
        await books.settled(order_id)
        sent = await books.value("notifications", SENT, order_id)
        assert await mailbox.recipients(message_id(order_id, "order_confirmed")) == ({email} if sent else set())
