"""Headers that are missing, too long or broken: refused by a sentence that names them, and nothing is ordered."""

import json
from uuid import UUID

import pytest

from bearer import Tokens
from native import Stack
from outside.books import Books
from outside.http import Answer, send_raw
from outside.refusals import assert_refused, nothing_written
from outside.shop import Shop, email_of, fresh

KEYS = {"missing": None, "empty": "", "too long": "k" * 256}
WITH_NUL = {
    "in the correlation id": b"X-Correlation-Id: some\0thing\r\n",
    "in the key": b"Idempotency-Key: k\0\r\n",
    "in the type": b"Content-Type: application/json\0\r\n",
}
BROKEN = {
    "a bare carriage return": b"Idempotency-Key: k\rX-Correlation-Id: c\r\n",
    "a header without a colon": b"Idempotency-Key\r\n",
    "a space in a header's name": b"Idempotency Key: k\r\n",
    "a negative length": b"Content-Length: -1\r\n",
    "a length that is no number": b"Content-Length: many\r\n",
    "two lengths": b"Content-Length: 2\r\nContent-Length: 3\r\n",
    "a header as long as a book": b"Idempotency-Key: " + b"k" * 200_000 + b"\r\n",
}


@pytest.mark.parametrize("name", KEYS)
async def test_an_order_without_a_usable_key_is_refused(
    name: str, shop: Shop, books: Books, customer: str, sku: str
) -> None:
    key = KEYS[name]
    body = {"items": [{"sku": sku, "quantity": 1}], "payment_token": "tok_ok", "email": email_of(customer)}

    async with nothing_written(books, shop, customer, sku):
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = await shop.ask("POST", "/orders", customer=customer, body=body, headers=headers)

    assert_refused(answer, 400, "Idempotency-Key")


async def test_the_longest_key_and_the_longest_customer_are_taken(shop: Shop, sku: str) -> None:
    customer = fresh("c" * 87)
    assert len(customer) == 100

    answer = await shop.place(customer, {sku: 1}, key=fresh("k" * 242))

    assert answer.status == 202, answer.text
    await shop.ended(customer, UUID(answer.json()["id"]))


async def test_a_correlation_id_that_is_none_is_replaced(shop: Shop, customer: str, sku: str) -> None:
    answer = await shop.place(customer, {sku: 1}, headers={"X-Correlation-Id": "nonsense"})

    assert answer.status == 202
    assert UUID(answer.headers["X-Correlation-Id"]).version == 7


async def post_raw(stack: Stack, tokens: Tokens, customer: str, sku: str, lines: bytes) -> Answer:
    """An order with these header lines, exactly as they are."""
    body = {"items": [{"sku": sku, "quantity": 1}], "payment_token": "tok_ok", "email": email_of(customer)}
    content = json.dumps(body).encode()
    head = (
        f"POST /orders HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nAuthorization: Bearer {tokens.of(customer)}\r\n"
    )
    length = b"" if b"Content-Length" in lines else f"Content-Length: {len(content)}\r\n".encode()
    return await send_raw(stack.ports["edge"], head.encode() + length + lines + b"\r\n" + content)


@pytest.mark.parametrize("name", WITH_NUL)
async def test_a_header_with_a_nul_is_refused_as_a_problem(
    *, name: str, stack: Stack, tokens: Tokens, shop: Shop, books: Books, customer: str, sku: str
) -> None:
    async with nothing_written(books, shop, customer, sku):
        answer = await post_raw(stack, tokens, customer, sku, WITH_NUL[name])

    assert_refused(answer, 400)


@pytest.mark.parametrize("name", BROKEN)
async def test_a_request_that_is_no_http_is_refused(
    *, name: str, stack: Stack, tokens: Tokens, shop: Shop, books: Books, customer: str, sku: str
) -> None:
    async with nothing_written(books, shop, customer, sku):
        answer = await post_raw(stack, tokens, customer, sku, BROKEN[name])

    assert answer.status == 400  # said by the edge's parser, which knows no problem documents
