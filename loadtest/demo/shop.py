"""The shop as a customer uses it: over HTTP, through the edge. What it answers is written down for `verify`."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import aiohttp

from bearer import Tokens
from demo.errors import DemoError
from verify.told import ACCEPTED, Recorder, Told

CUSTOMER, ADMIN = "demo", "admin"
EMAIL = "demo@mail.example"
SPARE = 1_000  # on the shelf beside what earlier runs have sold
POLL_SECONDS = 0.02
CONSISTENCY = "X-Consistency-Token"


@dataclass(frozen=True)
class Product:
    """What the demonstration sells."""

    sku: str
    name: str
    price_cents: int


class Shop:
    """One customer's view of the shop."""

    def __init__(
        self, http: aiohttp.ClientSession, url: str, recorder: Recorder, tokens: Tokens, email: str = EMAIL
    ) -> None:
        self._tokens = tokens
        self._http = http
        self._email = email
        self._url = url
        self._recorder = recorder
        self._token: dict[str, str] = {}  # where the last command's writing ended: what is read next must see it

    async def stock_up(self, product: Product) -> None:
        """Offer a product, with enough of it for this run."""
        path = f"/products/{product.sku}"
        status, stock = await self._call("GET", f"{path}/stock")
        gone = stock["reserved"] + stock["sold"] if status == 200 else 0
        body = {"name": product.name, "price_cents": product.price_cents, "stocked": gone + SPARE}
        await self._expect(200, "PUT", path, body, customer=ADMIN)

    async def place(self, items: dict[str, int], payment_token: str, at: str | None = None) -> UUID:
        """Order these; `at` is an order service's own address, past the edge."""
        lines = [{"sku": sku, "quantity": quantity} for sku, quantity in items.items()]
        body = {"items": lines, "payment_token": payment_token, "email": self._email}
        key = str(uuid4())
        status, answer = await self._call("POST", "/orders", body, key=key, at=at)
        order_id = UUID(answer["id"]) if status == ACCEPTED else None
        self._recorder.add(Told(key=key, customer=CUSTOMER, items=items, status=status, order_id=order_id))
        if order_id is None:
            raise DemoError(f"the shop refused an order with {status}: {answer.get('detail', answer)}")
        return order_id

    async def cancel(self, order_id: UUID) -> None:
        """Change one's mind."""
        await self._expect(200, "POST", f"/orders/{order_id}/cancel")

    async def wait_until(self, order_id: UUID, status: str, seconds: float = 15) -> None:
        """Look at the order until it has this status."""
        deadline = time.monotonic() + seconds
        while (found := (await self._expect(200, "GET", f"/orders/{order_id}"))["status"]) != status:
            if time.monotonic() > deadline:
                raise DemoError(f"order {order_id} is {found} after {seconds:.0f} s, not {status}: see make status")
            await asyncio.sleep(POLL_SECONDS)

    async def _expect(
        self, wanted: int, method: str, path: str, body: object = None, customer: str = CUSTOMER
    ) -> dict[str, Any]:
        status, answer = await self._call(method, path, body, customer=customer)
        if status != wanted:
            raise DemoError(f"{method} {path} was answered with {status}: {answer.get('detail', answer)}")
        return answer

    async def _call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        customer: str = CUSTOMER,
        at: str | None = None,
    ) -> tuple[int, dict[str, Any]]:
        url = f"{at or self._url}{path}"
        headers = self._tokens.header(customer) | ({"Idempotency-Key": key} if key else {}) | self._token
        try:
            async with self._http.request(method, url, json=body, headers=headers) as response:
                if CONSISTENCY in response.headers:
                    self._token = {CONSISTENCY: response.headers[CONSISTENCY]}
                return response.status, await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise DemoError(
                f"{method} {url} was not answered ({error or type(error).__name__}): see make status"
            ) from None
