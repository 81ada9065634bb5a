"""Orders that make no sense: each is refused by a sentence that names what is wrong, and leaves no trace."""

import json
from typing import Any

import pytest

from outside.books import Books
from outside.refusals import assert_refused, nothing_written
from outside.shop import Document, Shop, fresh

SKU = "{sku}"  # stands for a product that exists
LINE = {"sku": SKU, "quantity": 1}
HUGE = "9" * 400
BEYOND_PARSING = "9" * 10_000


def order(**changes: Any) -> Document:
    """An order, right in everything that is not changed."""
    return {"items": [LINE], "payment_token": "tok_ok", "email": "somebody@customers.example", **changes}


def quantity(value: object) -> Document:
    """An order of so many."""
    return order(items=[{"sku": SKU, "quantity": value}])


def without(field: str) -> Document:
    """An order that lacks a field."""
    return {name: value for name, value in order().items() if name != field}


def spelt(text: str) -> bytes:
    """An order whose first quantity is spelt like this in the JSON text."""
    return json.dumps(quantity(1)).replace('"quantity": 1', f'"quantity": {text}').encode()


BODIES: dict[str, tuple[Document | bytes, int, str]] = {
    "unknown product": (order(items=[{"sku": "no-such-product", "quantity": 1}]), 422, "no-such-product"),
    "unknown product beside a known one": (order(items=[LINE, {"sku": "nothing", "quantity": 1}]), 422, "nothing"),
    "quantity zero": (quantity(0), 422, "items.0.quantity"),
    "quantity negative": (quantity(-1), 422, "items.0.quantity"),
    "quantity huge": (quantity(1001), 422, "items.0.quantity"),
    "quantity beyond 64 bits": (quantity(2**64), 422, "items.0.quantity"),
    "quantity of 400 digits": (spelt(HUGE), 422, "items.0.quantity"),
    "quantity of 10,000 digits": (spelt(BEYOND_PARSING), 400, "body"),
    "quantity fractional": (quantity(1.5), 422, "items.0.quantity"),
    "quantity a whole float": (quantity(1.0), 422, "items.0.quantity"),
    "quantity in exponent form": (spelt("1e999"), 422, "items.0.quantity"),
    "quantity NaN": (spelt("NaN"), 422, "items.0.quantity"),
    "quantity a string": (quantity("1"), 422, "items.0.quantity"),
    "quantity a boolean": (quantity(True), 422, "items.0.quantity"),  # noqa: FBT003  that is the point
    "quantity null": (quantity(None), 422, "items.0.quantity"),
    "quantity missing": (order(items=[{"sku": SKU}]), 422, "items.0.quantity"),
    "sku missing": (order(items=[{"quantity": 1}]), 422, "items.0.sku"),
    "sku too long": (order(items=[{"sku": "s" * 65, "quantity": 1}]), 422, "items.0.sku"),
    "sku with a NUL": (order(items=[{"sku": "a\0b", "quantity": 1}]), 422, "items.0.sku"),
    "sku with a lone surrogate": (order(items=[{"sku": "\ud800", "quantity": 1}]), 422, "items.0.sku"),
    "sku with a line break": (order(items=[{"sku": f"{SKU}\n", "quantity": 1}]), 422, "items.0.sku"),
    "unknown field in a line": (order(items=[{**LINE, "price_cents": 1}]), 422, "items.0.price_cents"),
    "no lines": (order(items=[]), 422, "items"),
    "51 lines": (order(items=[{"sku": f"{SKU}-{n}", "quantity": 1} for n in range(51)]), 422, "items"),
    "duplicate lines": (order(items=[LINE, LINE]), 422, "items"),
    "items an object": (order(items={SKU: 1}), 422, "items"),
    "items missing": (without("items"), 422, "items"),
    "token missing": (without("payment_token"), 422, "payment_token"),
    "token empty": (order(payment_token=""), 422, "payment_token"),
    "token too long": (order(payment_token="t" * 65), 422, "payment_token"),
    "token with a NUL": (order(payment_token="tok_\0ok"), 422, "payment_token"),
    "token with a lone surrogate": (order(payment_token="tok_\udfff"), 422, "payment_token"),
    "email missing": (without("email"), 422, "email"),
    "unknown field": (order(status="confirmed"), 422, "status"),
    "unknown field with an odd name": (order(**{"\0": 1}), 422, "\0"),
    "field name a lone surrogate": (order(**{"\ud800": 1}), 422, "body"),
    "empty body": (b"", 422, "body"),
    "not an object": (b"[]", 422, "body"),
    "null": (b"null", 422, "body"),
    "broken JSON": (b'{"items": [', 422, "body"),
    "two documents": (b"{}{}", 422, "body"),
    "not UTF-8": (b'{"email": "\xff"}', 400, "body"),
    "30,000 brackets deep": (b'{"items":' + b"[" * 30_000 + b"]" * 30_000 + b"}", 400, "body"),
    "30,000 open brackets": (b"[" * 30_000, 400, "body"),
}


@pytest.mark.parametrize("name", BODIES)
async def test_an_order_that_makes_no_sense_is_refused_and_leaves_no_trace(
    name: str, shop: Shop, books: Books, customer: str, sku: str
) -> None:
    body, status, field = BODIES[name]
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    content = content.replace(SKU.encode(), sku.encode())

    async with nothing_written(books, shop, customer, sku):
        headers = {"Idempotency-Key": fresh("key")}
        answer = await shop.ask("POST", "/orders", customer=customer, body=content, headers=headers)

    assert_refused(answer, status, field)


@pytest.mark.parametrize("media_type", ["text/plain", "application/octet-stream", "multipart/form-data", "nonsense"])
async def test_an_order_that_does_not_come_as_json_is_refused(
    media_type: str, shop: Shop, books: Books, customer: str, sku: str
) -> None:
    content = json.dumps(order()).replace(SKU, sku).encode()

    async with nothing_written(books, shop, customer, sku):
        headers = {"Idempotency-Key": fresh("key"), "Content-Type": media_type}
        answer = await shop.ask("POST", "/orders", customer=customer, body=content, headers=headers)

    assert_refused(answer, 422, "body", "application/json")


async def test_the_largest_order_there_can_be_is_refused_or_ends_as_any_other(shop: Shop, customer: str) -> None:
    skus = [await shop.stock_up(10_000, price_cents=100_000_000) for _ in range(50)]
    small, large = {skus[0]: 1000}, dict.fromkeys(skus, 1000)

    for items in (small, large):
        answer = await shop.place(customer, items)

        total = 100_000_000 * 1000 * len(items)
        if answer.status != 202:
            assert_refused(answer, 422, "items")
            continue
        assert answer.json()["total_cents"] == total
        assert (await shop.ended(customer, answer.json()["id"]))["total_cents"] == total
