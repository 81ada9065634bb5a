"""The services with one rule of the messaging broken: `python -m faults.mutants <mutant> <service>`.

Each mutant is a mistake that somebody could make, and that looks fine until something goes wrong at the same time.
Nothing of this is in the services' own code: it is put over the chassis before the service is put together.
"""

import argparse
import os
import signal
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import func, select, text

from chassis import faults, inbox
from chassis.__main__ import serve
from chassis.consumer import Consumer, HandlerError
from chassis.db import Database, Session
from chassis.delivery import Delivery
from chassis.effects import Effect
from chassis.events import Envelope
from chassis.relay import Relay
from chassis.subscription import Subscription
from chassis.worker import Worker
from payment.effects import Void
from payment.events import OrderPlaced
from payment.handlers import consumer
from payment.provider import Charge

FLAGGED = text("UPDATE outbox SET published_at = now() WHERE id = ANY(CAST(:ids AS uuid[]))")
FAILS_EVERY = 10
POISON = "poison"


def ack_before_commit() -> None:
    """Acknowledge what was delivered, then handle it: the mistake of `auto-ack`."""
    handle = Worker._handle

    async def acknowledged_first(self: Worker, batch: Sequence[tuple[Subscription, Delivery]]) -> None:
        for delivery in dict(batch).values():
            await delivery.message.ack(multiple=True)
        await handle(self, batch)

    async def nothing(self: Subscription, delivery: Delivery) -> None:
        """It is acknowledged already."""

    Worker._handle = acknowledged_first  # type: ignore[method-assign]
    Subscription.ack = nothing  # type: ignore[method-assign]


def flag_before_confirm() -> None:
    """Flag as published what is only about to be sent. `relay.after_fetch` is passed again after the flag."""
    send = Relay._send

    async def flagged_first(self: Relay, rows: Sequence[Any]) -> Any:
        if rows:
            async with self._engine.begin() as connection:
                await connection.execute(FLAGGED, {"ids": [row.id for row in rows]})
            faults.reach("relay.after_fetch")
        return await send(self, rows)

    Relay._send = flagged_first  # type: ignore[method-assign]


def inbox_past_a_failure() -> None:
    """When a handler raises, commit the ids of the whole batch. Every tenth event's handler raises."""
    process, handled = Consumer.process, iter(range(1, 10**9))
    handle_one = Consumer._handle_one

    async def failing(self: Consumer, session: Session, envelope: Envelope, position: int) -> None:
        if next(handled) % FAILS_EVERY == 0:
            raise HandlerError(position)
        await handle_one(self, session, envelope, position)

    async def remembering(self: Consumer, database: Database, envelopes: Sequence[Envelope]) -> None:
        try:
            await self._patiently(database, envelopes)
        except HandlerError as error:
            if error.position:
                await process(self, database, envelopes[: error.position])
            async with database.transaction("consumer") as session:
                await inbox.record(session, envelopes[error.position :])

    Consumer._handle_one = failing  # type: ignore[method-assign]
    Consumer.process = remembering  # type: ignore[method-assign]


def inbox_off() -> None:
    """Remember nothing: every delivery is a first one."""

    async def forgetful(session: Session, envelopes: Sequence[Envelope]) -> inbox.Inbox:
        session.now = await session.scalar(select(func.now()))
        return inbox.Inbox({envelope.id for envelope in envelopes}, set())

    inbox.record = forgetful


def void_skipped() -> None:
    """Take it for granted that a charge whose outcome is unknown has not gone through."""

    async def pretend(self: Void, effect: Effect) -> Charge:
        return Charge(status="voided")

    Void.perform = pretend  # type: ignore[method-assign]


def poison_raises() -> None:
    """The handler of `order.placed` cannot stand customers called poison."""

    def refuse() -> None:
        raise ValueError("poison")

    _when_poisoned(refuse)


def poison_kills() -> None:
    """It kills its process when it meets one."""
    _when_poisoned(lambda: os.kill(os.getpid(), signal.SIGKILL))


def _when_poisoned(act: Callable[[], None]) -> None:
    event_type, handler = consumer._handlers[OrderPlaced.type]

    async def poisoned(event: OrderPlaced, session: Session) -> None:
        if event.customer.startswith(POISON):
            act()
        await handler(event, session)

    consumer._handlers[OrderPlaced.type] = event_type, poisoned


MUTANTS: dict[str, Callable[[], None]] = {
    mutate.__name__: mutate
    for mutate in (
        ack_before_commit,
        flag_before_confirm,
        inbox_past_a_failure,
        inbox_off,
        void_skipped,
        poison_raises,
        poison_kills,
    )
}


def main() -> None:
    """Break the rule, then serve."""
    parser = argparse.ArgumentParser(prog="python -m faults.mutants", description=__doc__)
    parser.add_argument("mutant", choices=MUTANTS)
    parser.add_argument("service")
    arguments = parser.parse_args()
    MUTANTS[arguments.mutant]()
    serve(arguments.service)


if __name__ == "__main__":
    main()
