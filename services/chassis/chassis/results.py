"""What became of effects, written down: results in batches, each one transaction, fenced by their attempts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis import metrics, tracing
from chassis.claims import FENCE, RETRY_LATER
from chassis.db import Aggregate, Database, Session, patience
from chassis.effects import Effect, Step
from chassis.logging import bound, get_logger
from chassis.loop import jittered
from chassis.parking import Parked, park

RETRY_BASE_SECONDS, RETRY_CAP_SECONDS = 0.2, 10.0


@dataclass(frozen=True)
class Result:
    """What became of one attempt: an outcome, or a reason to try later, or a deadline that has passed."""

    effect: Effect
    outcome: Any = None
    later: str | None = None
    traceparent: str | None = None  # of the call

    @property
    def token(self) -> tuple[UUID, int]:
        """What the fence lets through or not: this attempt at this effect."""
        return self.effect.id, self.effect.attempt


class Results:
    """Writes the results of one service's effects."""

    def __init__(self, database: Database, steps: Mapping[str, Step], aggregate: type[Aggregate]) -> None:
        self._database = database
        self._steps = steps
        self._aggregate = aggregate

    async def write_all(self, batch: Sequence[Result]) -> None:
        """Write a batch; what cannot be applied is parked without its neighbours."""
        try:
            await self.write(batch)
        except Exception as error:  # noqa: BLE001  some result of the batch is at fault: find it
            get_logger().warning("results failed as a batch, writing them one by one", error=repr(error))
            for result in batch:
                await self.write_alone(result)

    async def write_alone(self, result: Result) -> None:
        try:
            await self.write([result])
        except Exception as error:  # noqa: BLE001  a result that cannot be applied is for a person
            await self._park(result.effect, f"{type(error).__name__}: {error}")

    async def write(self, batch: Sequence[Result]) -> None:
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
        fields = {"order_id": effect.subject, "effect": effect.kind, "correlation_id": effect.correlation_id}
        with bound(**fields), tracing.resumed(result.traceparent or effect.traceparent):
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


def _pause(effect: Effect) -> float:
    return jittered(effect.attempt, RETRY_BASE_SECONDS, RETRY_CAP_SECONDS)
