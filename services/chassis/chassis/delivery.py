"""A message as it was delivered: its envelope if it has one, and how often the broker has delivered it before."""

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aio_pika.abc import AbstractIncomingMessage

from chassis.consumer import PATIENCE_SECONDS
from chassis.db import Database, patience
from chassis.events import Envelope, MalformedEventError
from chassis.parking import Parked, park

SUSPICIOUS_DELIVERIES = 2  # from here on one by one: what kills the process must not take its neighbours along


@dataclass(frozen=True)
class Delivery:
    """One delivery. `fault` says why there is no envelope; `redeliveries` is the broker's own count."""

    message: AbstractIncomingMessage
    envelope: Envelope | None
    fault: str
    redeliveries: int

    @classmethod
    def of(cls, message: AbstractIncomingMessage) -> "Delivery":
        """What is in a message."""
        count = message.headers.get("x-delivery-count", 0)
        redeliveries = count if isinstance(count, int) else 0
        try:
            return cls(message, Envelope.parse(message.body), "", redeliveries)
        except MalformedEventError as error:
            return cls(message, None, str(error), redeliveries)

    @property
    def ordinary(self) -> bool:
        """Whether it may share a transaction with its neighbours."""
        return self.envelope is not None and self.redeliveries < SUSPICIOUS_DELIVERIES

    @property
    def known(self) -> Envelope:
        """The envelope of an ordinary delivery."""
        assert self.envelope is not None
        return self.envelope

    @property
    def death(self) -> str:
        """Why the broker dead-lettered it, and from which queue."""
        deaths: Any = self.message.headers.get("x-death")
        if not isinstance(deaths, list) or not deaths:
            return "it does not say why"
        return f"{deaths[0].get('reason')} in {deaths[0].get('queue')}"


async def park_malformed(database: Database, vhost: str, delivery: Delivery) -> None:
    """Put aside what is no event. It has no id, so its content names it: the same bytes are parked once.

    Raises only when the database stays away for `PATIENCE_SECONDS`.
    """
    body = delivery.message.body
    id_ = UUID(bytes=hashlib.sha256(body).digest()[:16])
    parked = Parked(id_, vhost, delivery.message.type or "unknown", None, body)
    async for attempt in patience(PATIENCE_SECONDS):
        with attempt:
            async with database.transaction("parking") as session:
                await park(session, parked, delivery.fault)
