"""An outside world of the tests' own: a kind of call whose answers they choose, and a runner that makes it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from chassis_kit import Note, Thing, make

from chassis.claims import claim
from chassis.db import Database, Session
from chassis.effects import Effect, effect_guard, request
from chassis.runner import Runner
from chassis.settings import ServiceSettings


class Call:
    """A step. Its answers are used one after the other: raised, given, or waited for; then it is `word`."""

    kind = "call"

    def __init__(
        self, *, timeout_seconds: float = 1.0, give_up_seconds: float | None = None, concurrency: int = 32
    ) -> None:
        self.guard = effect_guard("test", timeout_seconds, concurrency)
        self.give_up_seconds = give_up_seconds
        self.answers: list[Exception | asyncio.Event | str] = []
        self.word = "ok"
        self.performed: list[Effect] = []
        self.running = self.most_running = 0

    async def perform(self, effect: Effect) -> str:
        """Answer."""
        self.performed.append(effect)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(0)
            return await self._answer(self.answers.pop(0) if self.answers else self.word)
        finally:
            self.running -= 1

    async def _answer(self, answer: Exception | asyncio.Event | str) -> str:
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, str):
            return answer
        await answer.wait()
        return self.word

    async def settle(self, effect: Effect, outcome: Any, session: Session) -> None:
        """Note the answer; 'bug' is one that cannot be applied, 'again' asks for another call."""
        if outcome == "bug":
            raise LookupError("a bug")
        if outcome == "again":
            thing = await session.locked(Thing, effect.aggregate_id)
            assert thing is not None
            request(session, thing, Call.kind, {})
        session.add(Note(subject=effect.subject, word=outcome))

    async def give_up(self, effect: Effect, session: Session) -> None:
        """Note that."""
        session.add(Note(subject=effect.subject, word="given up"))


async def ask(
    database: Database, thing: Thing | None = None, *, count: int = 1, supersedes: str | None = None
) -> Thing:
    """One transaction that asks for calls, each for a thing of its own or all for this one."""
    async with database.transaction("consumer") as session:
        for _ in range(count):
            target = thing or make(session)
            request(session, target, Call.kind, {}, supersedes=supersedes)
    return target


async def claimed(database: Database, count: int = 1, lease_seconds: float = 10) -> Sequence[Effect]:
    """So many due effects, leased to the test."""
    async with database.transaction("claim") as session:
        effects = await claim(session, [Call.kind], count, lease_seconds)
    assert len(effects) == count
    return sorted(effects, key=by_age)


def by_age(effect: Effect) -> UUID:
    """Effects in the order in which they were asked for."""
    return effect.id


@asynccontextmanager
async def start(database: Database, call: Call, settings: ServiceSettings) -> AsyncIterator[Runner]:
    """A runner at work for as long as the block lasts."""
    runner = Runner(database, [call], Thing, settings)
    loops = [asyncio.create_task(loop.run()) for loop in (runner.polling, runner.settling)]
    try:
        yield runner
    finally:
        runner.polling.stop()
        runner.settling.stop()
        await asyncio.wait(loops)
        left = list(runner._running)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
