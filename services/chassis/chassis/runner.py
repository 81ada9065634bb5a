"""The effect runner: performs effects in bounded number, and writes their results in batches, each one transaction.

Effects of this process' own transactions arrive in memory, already leased; everything else (other processes' leftovers,
retries) is found by a poll. Nothing is claimed that there is no room for: a refused call is no attempt.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis import faults, metrics
from chassis.db import Aggregate, Cause, Database, Session, patience
from chassis.effects import FENCE, GIVE_BACK, RETRY_LATER, Effect, RunnerFacts, Step, claim, leased, requests
from chassis.logging import bound, get_logger
from chassis.loop import Loop, jittered
from chassis.parking import Parked, park, printable
from chassis.settings import ServiceSettings

POLL_SECONDS = 0.5
WAITING_PER_CALL = 4  # a call that waits longer than its lease allows is left to whoever claims it next
APART_SECONDS = 0.02  # between transactions of results under load: a larger batch makes cheaper results
RETRY_BASE_SECONDS, RETRY_CAP_SECONDS = 0.2, 10.0
RESULTS_PER_TRANSACTION = 50


@dataclass(frozen=True)
class Result:
    """What became of one attempt: an outcome, or a reason to try later, or a deadline that has passed."""

    effect: Effect
    outcome: Any = None
    later: str | None = None

    @property
    def token(self) -> tuple[UUID, int]:
        """What the fence lets through or not: this attempt at this effect."""
        return self.effect.id, self.effect.attempt


class Runner:
    """Performs one service's effects; at most `effect_concurrency` at a time (its bulkhead)."""

    def __init__(
        self, database: Database, steps: Sequence[Step], aggregate: type[Aggregate], settings: ServiceSettings
    ) -> None:
        self._database = database
        self._steps = {step.kind: step for step in steps}
        self._aggregate = aggregate
        self._concurrency = settings.effect_concurrency
        self._lease_seconds = settings.effect_lease_seconds
        self._slots = asyncio.Semaphore(settings.effect_concurrency)
        self._running: dict[asyncio.Task[None], Effect] = {}
        self._results: list[Result] = []
        self._left_behind = False
        self._stopping = False
        self.polling = Loop("effect poll", self._poll, POLL_SECONDS)
        self.settling = Loop("effect results", self._settle_pending, POLL_SECONDS, apart_seconds=APART_SECONDS)
        self.loops = (self.polling, self.settling) if steps else ()
        deadlines = {step.kind: step.give_up_seconds for step in steps}
        database.session_info["runner"] = RunnerFacts(self._hand_over_room, self._lease_seconds, deadlines)
        database.listeners.append(self._take)

    def room(self) -> int:
        """How many more calls may start now; none once the process is to stop."""
        return 0 if self._stopping else max(0, self._concurrency - len(self._running))

    def _hand_over_room(self) -> int:
        """How many more effects may be leased as they are written: some wait here instead of for a poll."""
        return 0 if self._stopping else max(0, WAITING_PER_CALL * self._concurrency - len(self._running))

    def _take(self, session: Session) -> None:
        handed_over = leased(session)
        for effect in handed_over:
            self._start(effect)
        if len(handed_over) < len(requests(session)):
            self._left_behind = True

    def _start(self, effect: Effect) -> None:
        task = asyncio.create_task(self._perform(effect), name=f"effect {effect.kind}")
        self._running[task] = effect
        task.add_done_callback(self._running.pop)

    async def _poll(self) -> bool:
        room = self.room()
        if not room:
            return False
        async with self._database.transaction("claim", Cause.new()) as session:
            found = await claim(session, room, self._lease_seconds)
        for effect in found:
            self._start(effect)
        if len(found) == room:
            self._left_behind = True  # there may be more: the next results make room and wake the poll
        return False

    async def _perform(self, effect: Effect) -> None:
        started = time.monotonic()
        async with self._slots:
            if time.monotonic() - started > self._lease_seconds - self._steps[effect.kind].timeout_seconds:
                return  # the lease would run out under the call: whoever claims it next has time enough
            faults.reach("effects.after_claim")
            metrics.EFFECTS_RUNNING.inc()
            with bound(order_id=effect.subject, effect=effect.kind, correlation_id=effect.correlation_id):
                self._results.append(Result(effect) if effect.expired else await self._call(effect))
            metrics.EFFECTS_RUNNING.dec()
        self.settling.wake()

    async def _call(self, effect: Effect) -> Result:
        step = self._steps[effect.kind]
        started = time.perf_counter()
        try:
            async with asyncio.timeout(step.timeout_seconds):
                outcome = await step.perform(effect)
                faults.reach("effects.after_answer")
                return Result(effect, outcome)
        except Exception as error:  # noqa: BLE001  whatever happened, the outcome is unknown: the row is the retry
            reason = printable(f"{type(error).__name__}: {error}".rstrip(": "))
            get_logger().info("an effect must be tried again", attempt=effect.attempt, reason=reason)
            return Result(effect, later=reason)
        finally:
            metrics.EFFECT_DURATION.labels(effect.kind).observe(time.perf_counter() - started)

    async def _settle_pending(self) -> bool:
        batch = self._results[:RESULTS_PER_TRANSACTION]
        if not batch:
            return False
        try:
            await self._settle(batch)
        except Exception as error:  # noqa: BLE001  some result of the batch is at fault: find it
            get_logger().warning("results failed as a batch, writing them one by one", error=repr(error))
            for result in batch:
                await self._settle_alone(result)
        del self._results[: len(batch)]
        if self._left_behind:
            # Effects that waited for another of their order, or for room, may be due now.
            self._left_behind = False
            self.polling.wake()
        return True

    async def _settle_alone(self, result: Result) -> None:
        try:
            await self._settle([result])
        except Exception as error:  # noqa: BLE001  a result that cannot be applied is for a person
            await self._park(result.effect, f"{type(error).__name__}: {error}")

    async def _settle(self, batch: Sequence[Result]) -> None:
        """Apply results in one transaction: aggregates locked, then fenced, then moved. Waits for the database."""
        async for attempt in patience():
            with attempt:
                async with self._database.transaction("effects") as session:
                    await session.lock(self._aggregate, {result.effect.aggregate_id for result in batch})
                    current = await self._fence(session, batch)
                    for result in batch:
                        if result.token in current and result.later is None:
                            await self._apply(session, result)
        for result in batch:
            stale = result.token not in current
            kind = "stale" if stale else "retry" if result.later is not None else "done"
            metrics.EFFECT_CALLS_TOTAL.labels(result.effect.kind, kind).inc()
            if stale:
                get_logger().info("the answer of a superseded attempt", order_id=result.effect.subject)

    async def _fence(self, session: Session, batch: Sequence[Result]) -> set[tuple[UUID, int]]:
        """Finish or postpone those whose attempt is still the latest. Returns their tokens."""
        final = [result.effect for result in batch if result.later is None]
        later = [result for result in batch if result.later is not None]
        current: set[tuple[UUID, int]] = set()
        if final:
            outcomes = ["given up" if effect.expired else "done" for effect in final]
            columns = {"id": [e.id for e in final], "attempt": [e.attempt for e in final], "outcome": outcomes}
            current |= {(row.id, row.attempt) for row in await session.execute(FENCE, columns)}
        if later:
            columns = {
                "id": [result.effect.id for result in later],
                "attempt": [result.effect.attempt for result in later],
                "outcome": [result.later for result in later],
                "seconds": [_pause(result.effect) for result in later],
            }
            current |= {(row.id, row.attempt) for row in await session.execute(RETRY_LATER, columns)}
        return current

    async def _apply(self, session: Session, result: Result) -> None:
        effect, step = result.effect, self._steps[result.effect.kind]
        session.cause = effect.cause
        with bound(order_id=effect.subject, effect=effect.kind, correlation_id=effect.correlation_id):
            if effect.expired:
                await step.give_up(effect, session)
            else:
                await step.settle(effect, result.outcome, session)

    async def _park(self, effect: Effect, reason: str) -> None:
        async for attempt in patience():
            with attempt:
                async with self._database.transaction("parking", effect.cause) as session:
                    columns = {"id": [effect.id], "attempt": [effect.attempt], "outcome": ["parked"]}
                    if (await session.scalars(FENCE, columns)).all():
                        body = json.dumps(effect.payload).encode()
                        await park(session, Parked(effect.id, "effect", effect.kind, effect.subject, body), reason)

    async def stop(self, seconds: float) -> None:
        """Start no more, let running calls end for at most this long, write results, give back the other leases."""
        self._stopping = True
        await self._end(self.polling)
        running = dict(self._running)
        if running:
            await asyncio.wait(running, timeout=seconds)
        unfinished = [effect for task, effect in running.items() if not task.done()]
        for task in running:
            task.cancel()
        await self._end(self.settling)
        while await self._settle_pending():
            pass
        if unfinished:
            columns = {"id": [effect.id for effect in unfinished], "attempt": [effect.attempt for effect in unfinished]}
            async with self._database.transaction("effects") as session:
                await session.execute(GIVE_BACK, columns)

    @staticmethod
    async def _end(loop: Loop) -> None:
        loop.stop()
        await loop.ended.wait()


def _pause(effect: Effect) -> float:
    return jittered(effect.attempt, RETRY_BASE_SECONDS, RETRY_CAP_SECONDS)
