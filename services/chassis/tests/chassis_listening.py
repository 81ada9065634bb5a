"""A consumer whose handler does what an event's word says, so that a test can choose what goes wrong."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

from chassis_kit import Note, Noted, Sql, Thing, contract, envelope
from sqlalchemy import text

from chassis.consumer import Consumer
from chassis.db import Session
from chassis.events import Envelope
from chassis.parking import ParkError

BROKEN = "DO $$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = '40001'; END $$"


class Listening:
    """The consumer and what it did. A word is noted, unless it is one of those in `_act`."""

    def __init__(self, vhost: str) -> None:
        self.consumer = Consumer(contract(vhost), Thing)
        self.consumer.on(Noted)(self._handle)
        self.calls: Counter[str] = Counter()
        self.go_on = asyncio.Event()
        self.transient_failures = 0
        self.error: Exception = LookupError("no such thing")

    async def _handle(self, event: Noted, session: Session) -> None:
        self.calls[event.word] += 1
        await self._act(event, session)
        session.add(Note(subject=event.order_id, word=event.word, once="x" if event.word == "once" else None))

    async def _act(self, event: Noted, session: Session) -> None:
        match event.word:
            case "raise":
                session.add(Note(subject=event.order_id, word="half done"))
                await session.flush()
                raise self.error
            case "park":
                raise ParkError("impossible")
            case "wait":
                await self.go_on.wait()
            case "transient" if self.calls["transient"] <= self.transient_failures:
                await session.execute(text(BROKEN))


def said(*words: str, subject: UUID | None = None) -> list[Envelope]:
    """Events with these words, each of an order of its own or all of this one."""
    return [envelope(subject, word, sequence=number) for number, word in enumerate(words, 1)]


async def noted(sql: Sql) -> list[str]:
    """What handlers have done, in order."""
    return [row["word"] for row in await sql.fetch("SELECT word FROM notes ORDER BY id")]


async def parked(sql: Sql) -> list[tuple[Any, str]]:
    """What is parked, in order: id and reason."""
    return [(row["id"], row["reason"]) for row in await sql.fetch("SELECT id, reason FROM parked ORDER BY position")]
