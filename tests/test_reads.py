"""Reading: a customer sees all of their own orders, and nothing of anybody else's."""

import asyncio
from uuid import UUID, uuid4

import pytest

from outside.books import Books
from outside.shop import Document, Shop, fresh
from outside.waiting import eventually


async def pages(shop: Shop, path: str, what: str, customer: str | None = None) -> list[list[Document]]:
    """All pages, from the first to the one without a cursor."""
    found: list[list[Document]] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = await shop.ask("GET", f"{path}{cursor and f'&cursor={cursor}'}", customer=customer)
        assert answer.status == 200, answer.text
        found.append(answer.json()[what])
        cursor = answer.json()["cursor"]
    return found


async def test_somebody_elses_order_is_as_unknown_as_one_that_does_not_exist(
    shop: Shop, books: Books, customer: str, sku: str
) -> None:
    order_id, stranger = await shop.placed(customer, {sku: 1}), fresh("stranger")
    await shop.ended(customer, order_id)
    await books.notified(order_id, "order_confirmed")
    await shop.payment_is(customer, order_id, "captured")

    for unknown in (order_id, uuid4()):
        read = await shop.ask("GET", f"/orders/{unknown}", customer=stranger)
        cancel = await shop.cancel(stranger, unknown)
        assert (read.status, cancel.status) == (404, 404)
        assert read.is_problem
        assert cancel.is_problem
        assert str(unknown) in read.json()["detail"]
        assert await shop.payment(stranger, unknown) is None
        assert await shop.notifications(stranger, unknown) == {}
    assert (await shop.order(customer, order_id))["status"] == "confirmed"


async def test_a_list_holds_every_order_once_newest_first_however_long_its_pages(
    shop: Shop, customer: str, sku: str
) -> None:
    placed = [str(await shop.placed(customer, {sku: 1})) for _ in range(7)]

    for limit, sizes in ((1, [1] * 7), (3, [3, 3, 1]), (7, [7]), (100, [7])):
        found = await pages(shop, f"/orders?limit={limit}", "orders", customer)
        assert [len(page) for page in found] == sizes
        assert [order["id"] for page in found for order in page] == placed[::-1]


async def test_orders_placed_while_a_list_is_read_do_not_disturb_its_later_pages(
    shop: Shop, customer: str, sku: str
) -> None:
    placed = [str(await shop.placed(customer, {sku: 1})) for _ in range(4)]
    first = (await shop.ask("GET", "/orders?limit=2", customer=customer)).json()

    await shop.placed(customer, {sku: 1})
    rest = (await shop.ask("GET", f"/orders?cursor={first['cursor']}", customer=customer)).json()

    assert [order["id"] for page in (first, rest) for order in page["orders"]] == placed[::-1]


async def test_a_list_can_be_narrowed_to_one_status(shop: Shop, customer: str, sku: str) -> None:
    tokens = {"tok_ok": "confirmed", "tok_declined": "cancelled"}
    ids = {status: await shop.placed(customer, {sku: 1}, token=token) for token, status in tokens.items()}
    await asyncio.gather(*(shop.ended(customer, order_id) for order_id in ids.values()))

    for status in ("pending", *tokens.values()):
        (page,) = await pages(shop, f"/orders?status={status}", "orders", customer)
        assert [UUID(order["id"]) for order in page] == ([ids[status]] if status in ids else [])


async def test_products_are_listed_by_code_each_once(shop: Shop) -> None:
    mine = sorted([await shop.stock_up(1) for _ in range(5)])

    async def listed() -> list[str]:
        found = await pages(shop, "/products?limit=50", "products")
        return [product["sku"] for page in found for product in page]

    skus = await eventually(listed, lambda found: set(mine) <= set(found))  # a replica may be a moment behind
    assert skus == sorted(set(skus))


@pytest.mark.parametrize("path", ["", "/stock"])
async def test_an_unknown_product_is_named(path: str, shop: Shop) -> None:
    sku = fresh("nothing")

    answer = await shop.ask("GET", f"/products/{sku}{path}")

    assert answer.status == 404
    assert answer.is_problem
    assert sku in answer.json()["detail"]


async def test_an_order_keeps_the_price_it_was_placed_at(shop: Shop, customer: str) -> None:
    sku = await shop.stock_up(10, price_cents=1000)
    order_id = await shop.placed(customer, {sku: 2})

    await shop.stock_up(10, price_cents=9999, sku=sku)

    assert (await shop.order(customer, order_id))["total_cents"] == 2000
    assert (await shop.payment_is(customer, order_id, "captured"))["amount_cents"] == 2000
