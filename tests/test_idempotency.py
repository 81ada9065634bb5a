"""The same request sent again has the effect of one, and is answered as the first was."""

import asyncio
from collections import Counter
from uuid import UUID

from outside.shop import Shop, fresh

REPLAYED = "Idempotent-Replayed"


async def test_a_request_sent_again_is_answered_as_the_first_was(shop: Shop, customer: str, sku: str) -> None:
    key = fresh("key")
    first = await shop.place(customer, {sku: 1}, key=key)
    assert REPLAYED not in first.headers
    await shop.ended(customer, UUID(first.json()["id"]))

    again = await shop.place(customer, {sku: 1}, key=key)

    assert (again.status, again.text) == (202, first.text)
    assert again.headers[REPLAYED] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert (await shop.stock(sku))["sold"] == 1


async def test_a_key_used_with_another_body_is_refused_and_nothing_is_ordered(
    shop: Shop, customer: str, sku: str
) -> None:
    key = fresh("key")
    first = await shop.place(customer, {sku: 1}, key=key)

    other = await shop.place(customer, {sku: 2}, key=key)

    assert other.status == 422
    assert other.is_problem
    assert "Idempotency-Key" in other.json()["detail"]
    await shop.ended(customer, UUID(first.json()["id"]))
    assert (await shop.stock(sku))["sold"] == 1


async def test_twenty_requests_at_once_under_one_key_make_one_order(shop: Shop, customer: str, sku: str) -> None:
    key = fresh("key")

    answers = await asyncio.gather(*(shop.place(customer, {sku: 1}, key=key) for _ in range(20)))

    assert Counter(answer.status for answer in answers) == {202: 20}
    (text,) = {answer.text for answer in answers}
    assert sum(REPLAYED in answer.headers for answer in answers) == 19
    listed = await shop.ask("GET", "/orders", customer=customer)
    assert [order["id"] for order in listed.json()["orders"]] == [answers[0].json()["id"]]
    await shop.ended(customer, UUID(answers[0].json()["id"]))
    assert (await shop.stock(sku))["sold"] == 1, text


async def test_the_same_key_of_another_customer_is_another_order(shop: Shop, sku: str) -> None:
    key = fresh("key")
    customers = fresh("customer"), fresh("customer")

    answers = [await shop.place(customer, {sku: 1}, key=key) for customer in customers]

    assert [answer.status for answer in answers] == [202, 202]
    assert len({answer.json()["id"] for answer in answers}) == 2
    assert not any(REPLAYED in answer.headers for answer in answers)


async def test_a_refused_request_leaves_its_key_free(shop: Shop, customer: str) -> None:
    sku, key = await shop.stock_up(1), fresh("key")
    refused = await shop.place(customer, {sku: 2}, key=key)
    assert refused.status == 409
    await shop.stock_up(2, sku=sku)

    accepted = await shop.place(customer, {sku: 2}, key=key)

    assert accepted.status == 202
    assert REPLAYED not in accepted.headers
