"""An order's chain of events, read from the three outboxes and inboxes as `verifier`."""

import asyncio
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from demo.errors import DemoError
from verify.database import Node, from_each
from verify.subscriptions import Subscribers

POLL_SECONDS = 0.03
TYPE_WIDTH = 38

EVENTS = "SELECT id, type, data, created_at FROM outbox WHERE subject = $1"
HANDLED = "SELECT id, handled_at FROM inbox WHERE subject = $1"
OPEN = "SELECT kind FROM effects WHERE subject = $1 AND done_at IS NULL"
ASKED = "SELECT count(*) FROM effects WHERE subject = $1 AND kind = $2"


@dataclass(frozen=True)
class Step:
    """An event: when it was written, what it said, and when each subscriber had handled it."""

    at: datetime
    type: str
    detail: str
    handled: dict[str, datetime | None]

    def line(self, start: datetime) -> str:
        """For a terminal, in seconds after the start."""
        name = f"{self.type} ({self.detail})" if self.detail else self.type
        listeners = ", ".join(f"{who} {_after(start, when)}" for who, when in self.handled.items())
        return f"     {_after(start, self.at)}  {name:<{TYPE_WIDTH}} -> {listeners}"


@dataclass(frozen=True)
class Chain:
    """What happened to one order, first things first."""

    order_id: UUID
    steps: list[Step]

    @property
    def lines(self) -> list[str]:
        """For a terminal of a hundred columns."""
        start = self.steps[0].at
        end = [step for step in self.steps if step.type in ("order.confirmed", "order.cancelled")][-1]
        status = end.type.removeprefix("order.") + (f" ({end.detail})" if end.detail else "")
        seconds = (end.at - start).total_seconds()
        heading = f"  order {self.order_id}  {status} in {seconds:.2f} s"
        return [heading, *(step.line(start) for step in self.steps)]


class Chains:
    """Reads them."""

    def __init__(self, node: Node, subscribers: Subscribers) -> None:
        self._node = node
        self._subscribers = subscribers

    async def asked_for(self, order_id: UUID, service: str, kind: str, seconds: float = 15) -> None:
        """Wait until this call to the outside world was asked for."""
        deadline = time.monotonic() + seconds
        while not await self._node[service].fetchval(ASKED, order_id, kind):
            if time.monotonic() > deadline:
                raise DemoError(f"no {kind} of order {order_id} within {seconds:.0f} s: see make status")
            await asyncio.sleep(POLL_SECONDS)

    async def complete(self, order_id: UUID, seconds: float = 15) -> Chain:
        """The whole chain, once nothing more will happen. Raises `DemoError` if something is missing for too long."""
        deadline = time.monotonic() + seconds
        while True:
            steps, missing = await self._read(order_id)
            if steps and not missing:
                return Chain(order_id, steps)
            if time.monotonic() > deadline:
                raise DemoError(f"order {order_id} still waits for {', '.join(missing)}: try python -m doctor")
            await asyncio.sleep(POLL_SECONDS)

    async def _read(self, order_id: UUID) -> tuple[list[Step], list[str]]:
        """The events so far, and what is missing.

        Inboxes first, outboxes last: if every event that is found last had been handled at first, and no effect was
        open in between, nothing is left that could lead to another one.
        """
        inboxes = await from_each(self._node, HANDLED, order_id)
        effects = await from_each(self._node, OPEN, order_id)
        outboxes = await from_each(self._node, EVENTS, order_id)
        handled = {(service, row["id"]): row["handled_at"] for service, rows in inboxes.items() for row in rows}
        steps = [self._step(publisher, row, handled) for publisher, rows in outboxes.items() for row in rows]
        missing = [f"{service}'s {row['kind']}" for service, rows in effects.items() for row in rows]
        missing += [f"{who} to handle {step.type}" for step in steps for who, at in step.handled.items() if at is None]
        return sorted(steps, key=lambda step: step.at), missing

    def _step(self, publisher: str, row: asyncpg.Record, handled: dict[tuple[str, UUID], datetime]) -> Step:
        listeners: Iterable[str] = sorted(self._subscribers[publisher].get(row["type"], ()))
        data = json.loads(row["data"])
        return Step(
            at=row["created_at"],
            type=row["type"].removesuffix(".v1"),
            detail=data.get("reason") or data.get("kind") or "",
            handled={who: handled.get((who, row["id"])) for who in listeners},
        )


def _after(start: datetime, at: datetime | None) -> str:
    return "never" if at is None else f"+{(at - start).total_seconds():.3f}"
