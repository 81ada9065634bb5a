"""Requests that make no sense: headers, ids in paths, queries, methods. Each is refused by a sentence that names it."""

from dataclasses import dataclass

import pytest

from outside.refusals import assert_refused
from outside.shop import Shop

SOMEBODY = "customer"
UUID = "01920000-0000-7000-8000-000000000000"


@dataclass(frozen=True)
class Bad:
    """A request, and the refusal it must meet."""

    method: str
    path: str
    status: int
    names: str = ""
    customer: str | None = SOMEBODY


REQUESTS = [
    Bad("GET", "/orders/nonsense", 422, "order_id"),
    Bad("GET", "/orders/%00", 422, "order_id"),
    Bad("GET", f"/orders/{UUID}0", 422, "order_id"),
    Bad("GET", f"/orders/{UUID}", 404, UUID),
    Bad("POST", "/orders/nonsense/cancel", 422, "order_id"),
    Bad("POST", f"/orders/{UUID}/cancel", 404, UUID),
    Bad("GET", "/orders?status=paid", 422, "status"),
    Bad("GET", "/orders?status=", 422, "status"),
    Bad("GET", "/orders?status=pending%00", 422, "status"),
    Bad("GET", "/orders?limit=0", 422, "limit"),
    Bad("GET", "/orders?limit=-1", 422, "limit"),
    Bad("GET", "/orders?limit=101", 422, "limit"),
    Bad("GET", "/orders?limit=1.5", 422, "limit"),
    Bad("GET", "/orders?limit=many", 422, "limit"),
    Bad("GET", "/orders?limit=", 422, "limit"),
    Bad("GET", f"/orders?limit={'9' * 5000}", 422, "limit"),
    Bad("GET", "/orders?cursor=nonsense", 422, "cursor"),
    Bad("GET", "/orders?cursor=%00", 422, "cursor"),
    Bad("GET", "/products?cursor=%00", 422, "cursor"),
    Bad("GET", "/products?cursor=a%00b", 422, "cursor"),
    Bad("GET", "/products?limit=0", 422, "limit"),
    Bad("GET", "/products/%00", 422, "sku"),
    Bad("GET", "/products/-begins-wrong", 422, "sku"),
    Bad("GET", "/products/%ed%a0%80", 422, "sku"),
    Bad("GET", "/products/a%0d%0ab/stock", 422, "sku"),
    Bad("GET", f"/products/{'s' * 65}", 422, "sku"),
    Bad("GET", "/products/a%2Fb", 404),
    Bad("GET", "/payments", 422, "order_id"),
    Bad("GET", "/payments?order_id=nonsense", 422, "order_id"),
    Bad("GET", "/notifications?order_id=%00", 422, "order_id"),
    Bad("GET", "/orders", 401, "Authorization", customer=None),
    Bad("GET", "/orders", 401, "Authorization", customer=""),
    Bad("GET", "/orders", 401, "Authorization", customer="c" * 101),
    Bad("GET", "/orders", 401, "Authorization", customer="c\0"),
    Bad("GET", "/orders", 401, "Authorization", customer="c" * 5000),
    Bad("GET", f"/orders/{UUID}", 401, "Authorization", customer=None),
    Bad("POST", f"/orders/{UUID}/cancel", 401, "Authorization", customer=None),
    Bad("GET", f"/payments?order_id={UUID}", 401, "Authorization", customer=None),
    Bad("GET", f"/notifications?order_id={UUID}", 401, "Authorization", customer=None),
    Bad("PUT", "/products/anything", 401, "Authorization", customer=None),
    Bad("PUT", "/products/anything", 403, "admin"),
    Bad("GET", "/", 404),
    Bad("GET", "/nothing", 404),
    Bad("GET", "/ordersx", 404),
    Bad("GET", "/orders/a/b/c", 404),
    Bad("GET", "/orders/", 404),
    Bad("POST", "/orders/", 404),
    Bad("GET", "/products/", 404),
    Bad("GET", "/healthz", 404),
    Bad("GET", "/metrics", 404),
    Bad("GET", "/docs", 404),
    Bad("GET", "/orders/../metrics", 404),
    Bad("GET", "/payments/anything", 404),
    Bad("DELETE", "/orders", 405),
    Bad("PATCH", f"/orders/{UUID}", 405),
    Bad("POST", "/products", 405),
    Bad("OPTIONS", "/orders", 405),
    Bad("TRACE", "/orders", 405),
]


@pytest.mark.parametrize("bad", REQUESTS, ids=lambda bad: f"{bad.method} {bad.path[:40]} as {str(bad.customer)[:9]}")
async def test_a_request_that_makes_no_sense_is_refused(bad: Bad, shop: Shop) -> None:
    answer = await shop.ask(bad.method, bad.path, customer=bad.customer)

    assert_refused(answer, bad.status, bad.names)


async def test_a_method_that_does_not_exist_is_refused(shop: Shop) -> None:
    answer = await shop.ask("BREW", "/orders", customer=SOMEBODY)

    assert answer.status in (400, 405)
    assert_refused(answer, answer.status)
