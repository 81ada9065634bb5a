"""The provider's HTTP API: parse, let the faults happen, take a step in the ledger, answer with the charge as it is."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chassis.logging import get_logger
from provider import charges, metrics
from provider.charges import Charge
from provider.connection import hang_up
from provider.faults import Faults, Mishaps
from provider.ledger import Ledger
from provider.problems import Problem
from provider.requests import ChargeRequest, LedgerQuery, key_of, read, read_query

Endpoint = Callable[[Request], Awaitable[Response]]


class Api:
    """The endpoints. Faults strike charges only: the ledger and the controls are the operator's own way in."""

    def __init__(self, ledger: Ledger, mishaps: Mishaps) -> None:
        self._ledger = ledger
        self._mishaps = mishaps
        metrics.show(mishaps.faults)

    def routes(self) -> list[Route]:
        """Every path, the busiest first."""
        return [
            Route("/v1/charges", self._may_lose_answer(self.charge), methods=["POST"]),
            Route("/v1/charges/{key}", self.look_up, methods=["GET"]),
            Route("/v1/charges/{key}/void", self._may_lose_answer(self.void), methods=["POST"]),
            Route("/v1/charges/{key}/refund", self._may_lose_answer(self.refund), methods=["POST"]),
            Route("/v1/ledger", self.read_ledger, methods=["GET"]),
            Route("/faults", self.show_faults, methods=["GET"]),
            Route("/faults", self.set_faults, methods=["PUT"]),
            Route("/metrics", metrics.answer, methods=["GET"]),
            Route("/healthz", self.be_healthy, methods=["GET"]),
        ]

    async def charge(self, request: Request) -> Response:
        """201 for a charge that was made (captured or declined), 200 for a replay: the charge as it is now."""
        key = key_of(request.headers.get("idempotency-key"), "Idempotency-Key")
        body = await read(request, ChargeRequest)  # first of all: from here on it is done even if the client goes away
        await self._mishaps.before_money()
        await self._mishaps.before_charge(body.payment_token, key)
        wanted = body.of(key)
        if self._mishaps.declines():
            wanted = replace(wanted, decline_reason="card_declined")
        outcome = await self._ledger.record(key, charges.charge(wanted))
        return _show(outcome.charge, 201 if outcome.entries else 200)

    async def void(self, request: Request) -> Response:
        """200 with the charge, which holds and will hold no money."""
        key = key_of(request.path_params["key"], "key")
        await self._mishaps.before_money()
        return _show((await self._ledger.record(key, charges.void)).charge)

    async def refund(self, request: Request) -> Response:
        """200 with the refunded charge."""
        key = key_of(request.path_params["key"], "key")
        await self._mishaps.before_money()
        return _show((await self._ledger.record(key, charges.refund)).charge)

    async def look_up(self, request: Request) -> Response:
        """200 with the charge, 404 if no request with this key ever arrived."""
        key = key_of(request.path_params["key"], "key")
        await self._mishaps.before_money()
        charge = self._ledger.find(key)
        if charge is None:
            raise Problem(404, "no charge has this key")
        return _show(charge)

    async def read_ledger(self, request: Request) -> Response:
        """A page of the ledger; `next` is the `after` of the following page, null at the end."""
        query = read_query(request, LedgerQuery)
        entries = self._ledger.page(query.after, query.limit + 1, query.day)
        more = len(entries) > query.limit
        entries = entries[: query.limit]
        return JSONResponse({"entries": entries, "next": entries[-1]["n"] if more else None})

    async def show_faults(self, _: Request) -> Response:
        """The faults in force."""
        return JSONResponse(self._mishaps.faults.model_dump())

    async def set_faults(self, request: Request) -> Response:
        """Replace all faults: one that is left out is over."""
        self._mishaps.faults = await read(request, Faults)
        metrics.show(self._mishaps.faults)
        get_logger().info("faults set", **self._mishaps.faults.model_dump())
        return await self.show_faults(request)

    async def be_healthy(self, _: Request) -> Response:
        """The process answers, also while it plays being down."""
        return JSONResponse({"status": "ok"})

    def _may_lose_answer(self, endpoint: Endpoint) -> Endpoint:
        async def serve(request: Request) -> Response:
            response = await endpoint(request)
            if self._mishaps.loses_answer():
                await hang_up(request)
            return response

        return serve


def _show(charge: Charge, status: int = 200) -> Response:
    document = {
        "key": charge.key,
        "status": charge.status,
        "decline_reason": charge.decline_reason,
        "amount_cents": charge.amount_cents,
        "currency": charge.currency,
    }
    return JSONResponse(document, status)
