"""What a refusal must look like, and that nothing of the request is left."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from outside.books import Books
from outside.http import Answer
from outside.shop import Shop


def assert_refused(answer: Answer, status: int, *names: str) -> None:
    """A problem document with this status, whose sentence names what is wrong."""
    assert answer.status == status, answer.text
    assert answer.is_problem, answer.headers.get("Content-Type")
    for name in names:
        assert name in answer.json()["detail"]


@asynccontextmanager
async def nothing_written(books: Books, shop: Shop, customer: str, sku: str) -> AsyncIterator[None]:
    """Checks that what is done inside leaves no order, no event, no key and no reservation behind."""
    before = await books.traces(customer), await shop.stock(sku)
    yield
    assert (await books.traces(customer), await shop.stock(sku)) == before
