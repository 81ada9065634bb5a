"""Stock under contention: through both replicas at once it adds up, nothing deadlocks, and nothing is oversold."""

import asyncio
from collections import Counter
from uuid import UUID

import aiohttp

from native import Stack
from outside.books import Books
from outside.shop import Document, Shop, fresh
from outside.waiting import eventually

DEADLOCKS = "SELECT CAST(sum(deadlocks) AS int) FROM pg_stat_database"
ORDERS = 200
PIECES, BUYERS = 10, 100


async def test_orders_for_the_same_products_in_opposite_order_never_deadlock(
    shop: Shop, books: Books, stack: Stack, customer: str
) -> None:
    skus = [await shop.stock_up(10_000) for _ in range(4)]
    forwards, backwards = dict.fromkeys(skus, 2), dict.fromkeys(reversed(skus), 2)
    deadlocks, answered = await books.value("orders", DEADLOCKS), await answered_by(stack)

    answers = await asyncio.gather(
        *(shop.insist(customer, backwards if number % 2 else forwards) for number in range(ORDERS))
    )

    assert Counter(answer.status for answer in answers) == {202: ORDERS}
    await eventually(
        lambda: statuses(shop, customer), lambda found: sum(found.values()) == ORDERS == found["confirmed"]
    )
    for sku in skus:
        count = 2 * ORDERS
        assert await shop.stock(sku) == {"stocked": 10_000, "available": 10_000 - count, "reserved": 0, "sold": count}
    assert await books.value("orders", DEADLOCKS) == deadlocks
    assert all(count > answered[name] for name, count in (await answered_by(stack)).items())


async def answered_by(stack: Stack) -> dict[str, float]:
    """How many requests the edge sent to each instance of the order service."""
    name = 'haproxy_server_sessions_total{proxy="order",server="'
    async with aiohttp.ClientSession() as session, session.get(stack.url("edge-metrics") + "/metrics") as answer:
        lines = [line for line in (await answer.text()).splitlines() if line.startswith(name)]
    assert len(lines) == stack.plan.replicas
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


async def statuses(shop: Shop, customer: str) -> Counter[str]:
    """How many of the customer's orders have which status."""
    found: Counter[str] = Counter()
    cursor: str | None = ""
    while cursor is not None:
        answer = await shop.ask("GET", f"/orders?limit=100{cursor and f'&cursor={cursor}'}", customer=customer)
        page: Document = answer.json()
        found.update(order["status"] for order in page["orders"])
        cursor = page["cursor"]
    return found


async def test_the_last_pieces_are_sold_once_each_and_the_others_are_told_which_product_ran_out(shop: Shop) -> None:
    plenty, scarce = await shop.stock_up(1000), await shop.stock_up(PIECES)
    customers = [fresh("customer") for _ in range(BUYERS)]

    answers = await asyncio.gather(*(shop.insist(customer, {plenty: 1, scarce: 1}) for customer in customers))

    assert Counter(answer.status for answer in answers) == {202: PIECES, 409: BUYERS - PIECES}
    for answer in answers:
        if answer.status == 409:
            assert answer.is_problem
            assert answer.json()["products"] == [scarce]
            assert scarce in answer.json()["detail"]
    winners = [(who, answer) for who, answer in zip(customers, answers, strict=True) if answer.status == 202]
    for who, answer in winners:
        assert (await shop.ended(who, UUID(answer.json()["id"])))["status"] == "confirmed"
    assert await shop.stock(scarce) == {"stocked": PIECES, "available": 0, "reserved": 0, "sold": PIECES}
    assert (await shop.stock(plenty))["sold"] == PIECES


async def test_what_is_reserved_or_sold_cannot_be_taken_off_the_shelf(shop: Shop, books: Books, customer: str) -> None:
    sku = await shop.stock_up(5)
    await shop.ended(customer, await shop.placed(customer, {sku: 3}))
    before = await books.product(sku)

    fewer = await shop.ask(
        "PUT", f"/products/{sku}", customer="admin", body={"name": "fewer", "price_cents": 1, "stocked": 2}
    )

    assert fewer.status == 409
    assert fewer.is_problem
    assert "stocked" in fewer.json()["detail"]
    assert await books.product(sku) == before
