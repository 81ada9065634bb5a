"""The stack under test: where it is, whether it answers, and what it has to sell."""

import asyncio
import os
from dataclasses import dataclass
from typing import Any

import aiohttp

import runtime
from load.errors import LoadError
from load.identity import ADMIN, Identity
from load.profiles import Shelf
from load.shelf import product, stock
from native import Stack, StackError
from native.ports import OFFSETS, taken
from runtime import Running

METRICS_PORT_OFFSET = OFFSETS.get("load", 18)  # where the stack's Prometheus asks a load generator
REQUEST_SECONDS = 10.0


@dataclass(frozen=True)
class Target:
    """A running stack."""

    stack: Running
    edge: str
    prometheus: str
    identity: Identity

    @classmethod
    def find(cls, name: str) -> "Target":
        """The stack of this name, or what EDGE_URL says. Raises `LoadError` where none runs."""
        try:
            stack = runtime.running(name)
            addresses = runtime.variables(stack)
        except StackError as error:
            raise LoadError(str(error)) from None
        addresses |= {key: os.environ[key] for key in ("EDGE_URL", "PROMETHEUS_URL") if os.environ.get(key)}
        return cls(stack, addresses["EDGE_URL"], addresses["PROMETHEUS_URL"], Identity(name))

    @property
    def metrics_port(self) -> int | None:
        """Where the generator tells its numbers; `None` where nobody would ask."""
        if chosen := os.environ.get("LOAD_METRICS_PORT"):
            if not chosen.isdigit():
                raise LoadError(f"LOAD_METRICS_PORT={chosen} is no port: write a number, or leave it out")
            return int(chosen)
        return self.stack.plan.base_port + METRICS_PORT_OFFSET if isinstance(self.stack, Stack) else None

    async def check(self) -> None:
        """Raises `LoadError` if the edge does not answer, knows no such visitor, or is under load already."""
        if self.metrics_port and taken(self.metrics_port):
            raise LoadError(f"port {self.metrics_port} is taken: is another load test of this stack under way?")
        async with aiohttp.ClientSession() as http:
            await self._ask(http, "GET", "/products?limit=1", "load-0")
            await self._ask(http, "GET", "/orders?limit=1", "load-0")

    async def shelve(self, run: str, shelf: Shelf, expected_orders: float) -> tuple[str, ...]:
        """Put the products on the shelf. Returns their codes, the hot ones first."""
        pieces = stock(run, shelf, expected_orders)
        async with aiohttp.ClientSession() as http:
            asks = (self._ask(http, "PUT", f"/products/{sku}", ADMIN, product(sku, n)) for sku, n in pieces.items())
            await asyncio.gather(*asks)
        return tuple(pieces)

    async def _ask(self, http: aiohttp.ClientSession, method: str, path: str, customer: str, body: Any = None) -> None:
        url, headers = f"{self.edge}{path}", self.identity.headers(customer)
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        try:
            async with http.request(method, url, json=body, headers=headers, timeout=timeout) as answer:
                if answer.status in (401, 403):
                    raise LoadError(f"{url} does not accept our token ({answer.status}): is it this stack's edge?")
                if answer.status >= 400:
                    words = f"{url} answered {answer.status}: {(await answer.text())[:200]}"
                    raise LoadError(f"{words} (is that the shop, and does it work? see make status)")
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise LoadError(f"nothing answers as the shop at {url} ({reason}): see make status") from None
