"""A request body has at most 64 KiB, at the edge and at the service itself, however its length is told."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from native import Stack
from outside.books import Books
from outside.http import Answer, send
from outside.refusals import assert_refused, nothing_written
from outside.shop import Shop, email_of, fresh

LIMIT_BYTES = 64 * 1024
PART_BYTES = 10_000
DRIBBLE_SECONDS = 0.5
GIVEN_UP_SECONDS = 20  # the edge waits for five


def order(customer: str, sku: str, size: int) -> bytes:
    """An order of exactly so many bytes: JSON may have any number of spaces."""
    body = {"items": [{"sku": sku, "quantity": 1}], "payment_token": "tok_ok", "email": email_of(customer)}
    return json.dumps(body).encode().ljust(size)


async def in_parts(content: bytes) -> AsyncIterator[bytes]:
    """Sent in chunks, so that nobody is told the length before."""
    for start in range(0, len(content), PART_BYTES):
        yield content[start : start + PART_BYTES]


@pytest.fixture(params=["edge", "order"])
def door(request: pytest.FixtureRequest, stack: Stack) -> str:
    """Where the request is sent: through the edge, or to a service directly."""
    return stack.url(request.param)


@pytest.fixture(params=["whole", "in parts"])
def chunked(request: pytest.FixtureRequest) -> bool:
    """Whether the length is left open."""
    return bool(request.param == "in parts")


async def post(
    session: aiohttp.ClientSession, door: str, credentials: dict[str, str], content: bytes, *, chunked: bool
) -> Answer:
    headers = {**credentials, "Idempotency-Key": fresh("key"), "Content-Type": "application/json"}
    sent = in_parts(content) if chunked else content
    return await send(session, "POST", f"{door}/orders", headers=headers, content=sent)


async def test_a_body_of_the_largest_size_is_taken(
    *, door: str, chunked: bool, session: aiohttp.ClientSession, shop: Shop, customer: str, sku: str
) -> None:
    answer = await post(session, door, shop.tokens.header(customer), order(customer, sku, LIMIT_BYTES), chunked=chunked)

    assert answer.status == 202, answer.text
    await shop.ended(customer, answer.json()["id"])


async def test_a_larger_body_is_refused_and_nothing_is_ordered(
    *,
    door: str,
    chunked: bool,
    session: aiohttp.ClientSession,
    shop: Shop,
    books: Books,
    customer: str,
    sku: str,
) -> None:
    content = order(customer, sku, LIMIT_BYTES + 1)

    async with nothing_written(books, shop, customer, sku):
        answer = await post(session, door, shop.tokens.header(customer), content, chunked=chunked)

    assert_refused(answer, 413)


async def test_a_command_that_needs_no_body_is_not_carried_out_with_one_that_is_too_large(
    *, door: str, session: aiohttp.ClientSession, shop: Shop, customer: str, sku: str
) -> None:
    order_id = await shop.placed(customer, {sku: 1})
    before = await shop.ended(customer, order_id)

    url, content = f"{door}/orders/{order_id}/cancel", b" " * (LIMIT_BYTES + 1)
    answer = await send(session, "POST", url, headers=shop.tokens.header(customer), content=content)

    assert_refused(answer, 413)
    assert await shop.order(customer, order_id) == before


async def test_a_body_without_end_is_not_read_to_its_end(
    *, door: str, session: aiohttp.ClientSession, shop: Shop, books: Books, customer: str, sku: str
) -> None:
    content = order(customer, sku, 200 * LIMIT_BYTES)

    async with nothing_written(books, shop, customer, sku):
        try:
            answer = await post(session, door, shop.tokens.header(customer), content, chunked=True)
        except aiohttp.ClientError:
            return  # the connection was closed while we were still sending: that is an answer, too
    assert_refused(answer, 413)


@pytest.mark.parametrize("length", [b"Content-Length: 60000", b"Transfer-Encoding: chunked"])
async def test_a_client_that_dribbles_its_body_is_given_up_before_a_service_hears_of_it(
    length: bytes, stack: Stack
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.ports["edge"])
    writer.write(b"POST /orders HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n" + length + b"\r\n\r\n")
    answering = asyncio.create_task(reader.readuntil(b"\r\n"))
    async with asyncio.timeout(GIVEN_UP_SECONDS):
        while not answering.done():
            writer.write(b"1\r\n \r\n")
            await asyncio.wait([answering], timeout=DRIBBLE_SECONDS)
    writer.close()

    assert answering.result().startswith(b"HTTP/1.1 408 ")  # without a token a service would say 401
