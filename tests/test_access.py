"""Who may do what: every route, asked by everybody who should not be let in, and by those who should."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from fastapi.routing import APIRoute

import notification.api
import order.api
import order.products
import order.timeline
import payment.api
from bearer import Tokens
from native import Stack
from native import tokens as stack_tokens
from outside.forger import Forger
from outside.http import PROBLEM, Answer
from outside.shop import Shop, email_of, fresh
from outside.waiting import eventually

ROUTERS = (
    order.api.router,
    order.timeline.router,
    order.products.router,
    payment.api.router,
    payment.api.settlements,
    notification.api.router,
)
NO_DAY = "2000-01-01"  # nothing was settled then


@dataclass(frozen=True)
class World:
    """One order, and whose it is."""

    owner: str
    order_id: str
    sku: str


@dataclass(frozen=True)
class Case:
    """A route, how to ask it about somebody's order, and what its owner, another customer and the shop itself get."""

    method: str
    route: str
    owner: int
    other: int
    admin: int
    anonymous: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


CASES = [
    Case("POST", "/orders", owner=202, other=202, admin=202),
    Case("GET", "/orders", owner=200, other=200, admin=200),
    Case("GET", "/orders/{order_id}", owner=200, other=404, admin=404),
    Case("POST", "/orders/{order_id}/cancel", owner=200, other=404, admin=404),
    Case("GET", "/orders/{order_id}/timeline", owner=200, other=404, admin=404),
    Case("GET", "/products", owner=200, other=200, admin=200, anonymous=True),
    Case("GET", "/products/{sku}", owner=200, other=200, admin=200, anonymous=True),
    Case("GET", "/products/{sku}/stock", owner=200, other=200, admin=200, anonymous=True),
    Case("PUT", "/products/{sku}", owner=403, other=403, admin=200),
    Case("GET", "/payments", owner=200, other=200, admin=200),
    Case("GET", "/settlements/{day}", owner=403, other=403, admin=404),
    Case("GET", "/notifications", owner=200, other=200, admin=200),
]


def test_the_table_has_every_route() -> None:
    routes = {
        (method, route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert {(case.method, case.route) for case in CASES} == routes


@pytest.fixture(scope="module")
async def world(shop: Shop) -> World:
    """An order that has ended, so that nothing about it changes any more."""
    owner, sku = fresh("customer"), await shop.stock_up()
    order_id = await shop.placed(owner, {sku: 1})
    await shop.ended(owner, order_id)
    await eventually(lambda: shop.notifications(owner, order_id), len)
    return World(owner, str(order_id), sku)


async def ask(shop: Shop, case: Case, world: World, authorization: str | None) -> Answer:
    path = case.route.format(order_id=world.order_id, sku=world.sku, day=NO_DAY)
    body: object = None
    headers = {"Authorization": authorization} if authorization is not None else {}
    if case.method == "PUT":
        body = {"name": "Ticket", "price_cents": 1250, "stocked": 1000}
    elif case.route == "/orders" and case.method == "POST":
        items = [{"sku": world.sku, "quantity": 1}]
        body = {"items": items, "payment_token": "tok_ok", "email": email_of(world.owner)}
        headers["Idempotency-Key"] = fresh("key")
    elif case.route in ("/payments", "/notifications"):
        path += f"?order_id={world.order_id}"
    return await shop.ask(case.method, path, body=body, headers=headers)


@pytest.fixture(scope="module")
def forger(stack: Stack, tokens: Tokens) -> Forger:
    """Makes bad tokens; its claims would be those of the owner, and of the shop itself."""
    return Forger(stack, tokens)


Forgery = Callable[[Forger, dict[str, object]], str]
NO_TOKEN = "send a bearer token"
BAD: dict[str, tuple[Forgery, str]] = {
    "an empty token": (lambda _, __: "Bearer ", NO_TOKEN),
    "another scheme": (lambda forger, claims: f"Basic {forger.good(claims)}", NO_TOKEN),
    "expired": (lambda forger, claims: forger.signed(claims, exp=forger.now - 60), "expired"),
    "not yet valid": (lambda forger, claims: forger.signed(claims, nbf=forger.now + 60), "not valid yet"),
    "wrong audience": (lambda forger, claims: forger.signed(claims, aud="elsewhere"), "audience"),
    "no expiry": (lambda forger, claims: forger.signed(claims, exp=None), "lacks"),
    "no subject": (lambda forger, claims: forger.signed(claims, sub=None), "lacks"),
    "an odd subject": (lambda forger, claims: forger.signed(claims, sub="a\0b"), "subject"),
    "changed": (lambda forger, claims: forger.changed(claims), "signature"),
    "wrong signature": (lambda forger, claims: forger.by_another_key(claims), "signature"),
    "an unknown key": (lambda forger, claims: forger.by_another_key(claims, kid="x"), "signature"),
    "alg none": (lambda forger, claims: forger.unsigned(claims), "not signed with"),
    "HS256": (lambda forger, claims: forger.with_the_public_key_as_secret(claims), "not signed with"),
    "too long": (lambda forger, claims: forger.signed(claims, x="y" * 5000), "longer than"),
    "broken": (lambda _, __: "Bearer a.b.c", "cannot be read"),
    "not ASCII": (lambda _, __: "Bearer \u00e9.\u00e9.\u00e9", "cannot be read"),
    "too deep": (lambda forger, _: forger.nested(), "cannot be read"),
}


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("name", ["no token", *BAD])
async def test_nobody_gets_in_without_a_good_token(
    *, name: str, case: Case, shop: Shop, world: World, forger: Forger
) -> None:
    make, says = BAD.get(name, (None, NO_TOKEN))
    header = make(forger, {"sub": world.owner, "scope": "admin"}) if make is not None else None
    answer = await ask(shop, case, world, header)

    if case.anonymous:
        assert answer.status == 200, answer.text
        return
    assert answer.status == 401, answer.text
    assert answer.headers["Content-Type"] == PROBLEM
    assert says in answer.json()["detail"]
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith("Bearer ")
    assert ("invalid_token" in challenge) == (says != NO_TOKEN)


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_everybody_gets_what_is_theirs_and_nothing_else(
    case: Case, shop: Shop, world: World, tokens: Tokens
) -> None:
    async def asked_by(customer: str) -> Answer:
        return await ask(shop, case, world, tokens.header(customer)["Authorization"])

    own = await asked_by(world.owner)
    assert own.status == case.owner, own.text
    for customer, status in {fresh("other"): case.other, "admin": case.admin}.items():
        answer = await asked_by(customer)
        assert answer.status == status, answer.text
        if status == 403:
            assert "insufficient_scope" in answer.headers["WWW-Authenticate"]
        if case.method == "GET" and not case.anonymous:
            assert world.order_id in own.text or case.route == "/notifications" or own.status == 403
            assert not ids(own) & ids(answer)


def ids(answer: Answer) -> set[str]:
    """What the answer is about."""
    return set(re.findall(r'"id":"([^"]+)"', answer.text))


@pytest.fixture
def rotated(stack: Stack, shop: Shop) -> tuple[Tokens, Tokens]:
    """Tokens of the key before, and tokens of the key now; the tests after this one sign with the key now."""
    before = Tokens.load(stack.name)
    before.of("me")
    stack_tokens.rotate(stack.layout)
    shop.tokens = Tokens.load(stack.name)
    return before, shop.tokens


async def test_keys_are_rotated_without_a_restart(world: World, shop: Shop, rotated: tuple[Tokens, Tokens]) -> None:
    for signed in rotated:
        for path in ("/orders", f"/payments?order_id={world.order_id}", f"/notifications?order_id={world.order_id}"):
            assert (await shop.ask("GET", path, headers=signed.header(world.owner))).status == 200
