"""`GET /orders/{id}/timeline`: everything about an order, from every service at once, as far as it came in time.

A scatter-gather that degrades instead of failing: `harvest` says how much of the whole it is, `missing` what is not
there (Fox and Brewer, *Harvest, Yield, and Scalable Tolerant Systems*, 1999).
"""

import asyncio
from typing import Any
from uuid import UUID

import aiohttp
from fastapi import APIRouter, Request
from pydantic import BaseModel

from chassis.auth import Caller
from chassis.http import CurrentCaller, CurrentReading, ServiceRoute
from chassis.logging import get_logger
from chassis.peers import Peer, PeerError, passed_on
from chassis.resilience import RefusedError
from order import metrics
from order.api import OrderOut, own
from order.models import Order

router = APIRouter(prefix="/orders", route_class=ServiceRoute)


class Timeline(BaseModel):
    """An order and what became of it. A part that did not come in time is null, and its service is in `missing`."""

    order: OrderOut
    payments: list[dict[str, Any]] | None
    notifications: list[dict[str, Any]] | None
    harvest: float
    missing: list[str]


class Peers:
    """The services beside this one."""

    def __init__(self, payment: Peer, notification: Peer) -> None:
        self.by_part = {"payments": payment, "notifications": notification}


@router.get("/{order_id}/timeline")
async def read_timeline(order_id: UUID, request: Request, caller: CurrentCaller, reading: CurrentReading) -> Timeline:
    """What every service knows of one order of the caller."""
    peers: Peers = request.app.state.peers
    headers = passed_on(request.headers, request.state.correlation_id)
    questions = {
        part: asyncio.create_task(_ask(peer, f"/{part}?order_id={order_id}", part, caller, headers))
        for part, peer in peers.by_part.items()
    }
    try:
        async with reading.session() as session:
            order = OrderOut.model_validate(own(await session.get(Order, order_id), order_id, caller.customer))
        parts = dict(zip(questions, await asyncio.gather(*questions.values()), strict=True))
    finally:
        for question in questions.values():
            question.cancel()
    missing = [peers.by_part[part].name for part, found in parts.items() if found is None]
    harvest = (1 + len(parts) - len(missing)) / (1 + len(parts))
    metrics.TIMELINE_HARVEST.observe(harvest)
    return Timeline(order=order, **parts, harvest=round(harvest, 2), missing=missing)


async def _ask(
    peer: Peer, path: str, part: str, caller: Caller, headers: dict[str, str]
) -> list[dict[str, Any]] | None:
    """One service's part, or nothing."""
    found: list[dict[str, Any]] | None = None
    try:
        found = (await peer.get(path, caller, headers))[part]
        result = "answered"
    except RefusedError:
        result = "refused"
    except TimeoutError:
        result = "late"
    except (PeerError, aiohttp.ClientError, OSError, ValueError, LookupError, TypeError) as error:
        get_logger().warning("a part of a timeline is missing", service=peer.name, error=repr(error))
        result = "failed"
    metrics.TIMELINE_PARTS_TOTAL.labels(peer.name, result).inc()
    return found
