"""The shop's API at the edge, as a customer's program uses it."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import aiohttp

from bearer import Tokens
from outside.http import Answer, send
from outside.waiting import eventually

Document = dict[str, Any]
Items = Mapping[str, int]


TOKEN = "X-Consistency-Token"


def latest(*tokens: str | None) -> str | None:
    """The token of the latest position: answers may overtake each other."""
    given = [token for token in tokens if token is not None]
    return max(given, key=lambda token: int(f"0{token.partition('-')[2]}", 16), default=None)


def fresh(kind: str) -> str:
    """A name nobody else uses: a customer, a product code or a key."""
    return f"{kind}-{uuid4().hex[:12]}"


def email_of(customer: str) -> str:
    """Where a customer's mails go: a mailbox of their own."""
    return f"{customer}@customers.example"


class Shop:
    """A client. Everything it asks goes through the edge, unless it was made with a service's own address.

    As a good client does, it sends on the last consistency token it was given, unless it is a `forgetful` one.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, tokens: Tokens, *, forgetful: bool = False) -> None:
        self.tokens = tokens
        self._session = session
        self._url = url
        self._forgetful = forgetful
        self.token: str | None = None

    async def ask(
        self,
        method: str,
        path: str,
        *,
        customer: str | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Any request; a body that is not bytes is sent as JSON."""
        fields = self.tokens.header(customer) if customer is not None else {}
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if content is not None:
            fields["Content-Type"] = "application/json"
        if self.token is not None and method == "GET":
            fields[TOKEN] = self.token
        fields |= headers or {}
        answer = await send(self._session, method, self._url + path, headers=fields, content=content)
        if not self._forgetful:
            self.token = latest(self.token, answer.headers.get(TOKEN))
        return answer

    async def opened(self) -> None:
        """Wait until the edge has noticed that the services are there."""
        await eventually(lambda: self.ask("GET", "/products"), lambda answer: answer.status == 200)

    async def stock_up(self, stocked: int = 1000, *, price_cents: int = 1250, sku: str | None = None) -> str:
        """A product of one's own on the shelf; returns its code."""
        sku = sku or fresh("sku")
        product = {"name": f"Ticket {sku}", "price_cents": price_cents, "stocked": stocked}
        answer = await self.ask("PUT", f"/products/{sku}", customer="admin", body=product)
        assert answer.status == 200, answer.text
        return sku

    async def stock(self, sku: str) -> Document:
        """stocked, available, reserved and sold, without the code."""
        answer = await self.ask("GET", f"/products/{sku}/stock")
        assert answer.status == 200, answer.text
        return {name: count for name, count in answer.json().items() if name != "sku"}

    async def place(
        self,
        customer: str,
        items: Items,
        *,
        token: str = "tok_ok",  # noqa: S107  a test token of the provider's
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """POST /orders, under a new key unless one is given."""
        body = {
            "items": [{"sku": sku, "quantity": quantity} for sku, quantity in items.items()],
            "payment_token": token,
            "email": email_of(customer),
        }
        fields = {"Idempotency-Key": key or fresh("key"), **(headers or {})}
        return await self.ask("POST", "/orders", customer=customer, body=body, headers=fields)

    async def placed(
        self,
        customer: str,
        items: Items,
        *,
        token: str = "tok_ok",  # noqa: S107  likewise
    ) -> UUID:
        """An order that was accepted; its id."""
        answer = await self.place(customer, items, token=token)
        assert answer.status == 202, answer.text
        return UUID(answer.json()["id"])

    async def insist(self, customer: str, items: Items) -> Answer:
        """As a patient client: asks again under the same key for as long as the shop is too busy (503)."""
        key = fresh("key")
        return await eventually(
            lambda: self.place(customer, items, key=key), lambda answer: answer.status != 503, poll_seconds=0.5
        )

    async def order(self, customer: str, order_id: UUID) -> Document:
        """The order as its customer sees it."""
        answer = await self.ask("GET", f"/orders/{order_id}", customer=customer)
        assert answer.status == 200, answer.text
        document: Document = answer.json()
        return document

    async def ended(self, customer: str, order_id: UUID) -> Document:
        """The same, once it is confirmed or cancelled."""
        return await eventually(lambda: self.order(customer, order_id), lambda order: order["status"] != "pending")

    async def cancel(self, customer: str, order_id: UUID) -> Answer:
        """POST /orders/{id}/cancel."""
        return await self.ask("POST", f"/orders/{order_id}/cancel", customer=customer)

    async def cancelled(self, customer: str, order_id: UUID) -> Document:
        """An order that was cancelled on its customer's wish."""
        answer = await self.cancel(customer, order_id)
        assert answer.status == 200, answer.text
        document: Document = answer.json()
        assert (document["status"], document["reason"]) == ("cancelled", "customer_request")
        return document

    async def payment(self, customer: str, order_id: UUID) -> Document | None:
        """The order's payment, if there is one and somebody answers."""
        found = await self._listed("payments", customer, order_id)
        return found[0] if found else None

    async def payment_is(self, customer: str, order_id: UUID, status: str) -> Document:
        """The order's payment, once it has this status."""
        document = await eventually(
            lambda: self.payment(customer, order_id), lambda payment: payment and payment["status"] == status
        )
        assert document is not None
        return document

    async def notifications(self, customer: str, order_id: UUID) -> dict[str, Document]:
        """What became of the order's mails, by kind."""
        return {row["kind"]: row for row in await self._listed("notifications", customer, order_id)}

    async def _listed(self, what: str, customer: str, order_id: UUID) -> list[Document]:
        answer = await self.ask("GET", f"/{what}?order_id={order_id}", customer=customer)
        if answer.status == 503:
            return []  # an outage of the test's own making
        assert answer.status == 200, answer.text
        found: list[Document] = answer.json()[what]
        return found
