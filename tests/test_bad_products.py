"""Products that make no sense: each is refused by a sentence that names the field, and the product stays as it is."""

import json
from typing import Any

import pytest

from outside.books import Books
from outside.refusals import assert_refused
from outside.shop import Document, Shop


def product(**changes: Any) -> Document:
    """A product, right in everything that is not changed."""
    return {"name": "Ticket", "price_cents": 1250, "currency": "EUR", "stocked": 10, **changes}


BODIES: dict[str, tuple[Document, str]] = {
    "name empty": (product(name=""), "name"),
    "name too long": (product(name="n" * 201), "name"),
    "name with a NUL": (product(name="Tic\0ket"), "name"),
    "name with a line break": (product(name="Ticket\r\nBcc: victim@customers.example"), "name"),
    "name a lone surrogate": (product(name="\ud83d"), "name"),
    "name a number": (product(name=1), "name"),
    "price zero": (product(price_cents=0), "price_cents"),
    "price negative": (product(price_cents=-1), "price_cents"),
    "price too high": (product(price_cents=100_000_001), "price_cents"),
    "price fractional": (product(price_cents=12.5), "price_cents"),
    "price a string": (product(price_cents="1250"), "price_cents"),
    "currency in small letters": (product(currency="eur"), "currency"),
    "currency too long": (product(currency="EURO"), "currency"),
    "currency with a line break": (product(currency="EUR\n"), "currency"),
    "stock negative": (product(stocked=-1), "stocked"),
    "stock huge": (product(stocked=1_000_000_001), "stocked"),
    "stock beyond 64 bits": (product(stocked=2**70), "stocked"),
    "stock fractional": (product(stocked=1.5), "stocked"),
    "stock missing": ({"name": "Ticket", "price_cents": 1}, "stocked"),
    "unknown field": (product(sold=1), "sold"),
    "the code in the body": (product(sku="another"), "sku"),
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_product_that_makes_no_sense_is_refused_and_changes_nothing(
    name: str, shop: Shop, books: Books, sku: str
) -> None:
    body, field = BODIES[name]
    before = await books.product(sku)

    answer = await shop.ask("PUT", f"/products/{sku}", customer="admin", body=json.dumps(body).encode())

    assert_refused(answer, 422, field)
    assert await books.product(sku) == before


@pytest.mark.parametrize("code", ["%00", "-begins-wrong", "s" * 65, "a%20b", "%c3%a4", "a%0a"])
async def test_a_product_code_that_makes_no_sense_is_refused(code: str, shop: Shop) -> None:
    answer = await shop.ask("PUT", f"/products/{code}", customer="admin", body=product())

    assert_refused(answer, 422, "sku")


async def test_every_limit_of_a_product_can_be_reached(shop: Shop, sku: str) -> None:
    largest = product(name="ä" * 200, price_cents=100_000_000, stocked=1_000_000_000)

    for body in (largest, product(stocked=0), largest):
        answer = await shop.ask("PUT", f"/products/{sku}", customer="admin", body=body)
        assert answer.status == 200, answer.text
        assert (await shop.stock(sku))["available"] == body["stocked"]
