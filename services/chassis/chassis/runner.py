"""The effect runner: performs effects in bounded number, and writes their results in batches, each one transaction.

Effects of this process' own transactions arrive in memory, already leased; everything else (other processes' leftovers,
retries) is found by a poll, which has places of its own: under a load that keeps all others taken, the old would never
have their turn, and oldest first alone would let everybody wait until nobody wants it any more. Nothing is claimed that
the other side's breaker and bulkhead would not let through, and what they refuse later is given back: a refused call is
no attempt. What is to be given up needs no call, and is claimed however busy they are.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial

from chassis import faults, metrics, spans, tracing
from chassis.claims import GIVE_BACK, HASTEN, claim
from chassis.db import Aggregate, Cause, Database, Session
from chassis.effects import Effect, RunnerFacts, Step, leased, requests
from chassis.logging import bound, get_logger
from chassis.loop import Loop
from chassis.parking import printable
from chassis.resilience import Guard, RefusedError, State
from chassis.results import Result, Results
from chassis.settings import ServiceSettings

POLL_SECONDS = 0.5
WAITING_PER_CALL = 4  # a call that waits longer than its lease allows is left to whoever claims it next
APART_SECONDS = 0.02  # between transactions of results under load: a larger batch makes cheaper results
WRITE_SECONDS = 5.0  # for the last results, when the service stops
RESULTS_PER_TRANSACTION = GIVEN_UP_PER_POLL = 50


class Runner:
    """Performs one service's effects, each kind of call behind its guard."""

    def __init__(
        self, database: Database, steps: Sequence[Step], aggregate: type[Aggregate], settings: ServiceSettings
    ) -> None:
        self._database = database
        self._steps = {step.kind: step for step in steps}
        self._kinds = {guard: [step.kind for step in steps if step.guard is guard] for guard in _guards(steps)}
        self._writer = Results(database, self._steps, aggregate)
        self._lease_seconds = settings.effect_lease_seconds
        self._running: dict[asyncio.Task[None], Effect] = {}
        self._handed_over: Counter[Guard] = Counter()
        self._claimed: Counter[Guard] = Counter()
        self._results: list[Result] = []
        self._refused: list[Effect] = []
        self._healed: set[Guard] = set()
        self._left_behind = False
        self._stopping = False
        self.polling = Loop("effect poll", self._poll, POLL_SECONDS)
        self.settling = Loop("effect results", self._settle_pending, POLL_SECONDS, apart_seconds=APART_SECONDS)
        self.loops = (self.polling, self.settling) if steps else ()
        for guard in self._kinds:
            guard.breaker.listeners.append(partial(self._heard, guard))
        deadlines = {step.kind: step.give_up_seconds for step in steps}
        database.session_info["runner"] = RunnerFacts(self._hand_over_room, self._lease_seconds, deadlines)
        database.listeners.append(self._take)

    def _hand_over_room(self, kind: str) -> int:
        """How many more effects may be leased as they are written: some wait here instead of for a poll.

        None but through a closed breaker: probes are the poll's.
        """
        guard = self._steps[kind].guard
        if self._stopping or guard.breaker.state is not State.CLOSED:
            return 0
        return max(0, WAITING_PER_CALL * guard.policy.concurrency - self._handed_over[guard])

    def _heard(self, guard: Guard, state: State) -> None:
        if state is State.CLOSED:
            self._healed.add(guard)
            self.polling.wake()

    def _take(self, session: Session) -> None:
        handed_over = leased(session)
        for effect in handed_over:
            self._start(effect, self._handed_over)
        if len(handed_over) < len(requests(session)):
            self._left_behind = True

    def _start(self, effect: Effect, places: Counter[Guard]) -> None:
        task = asyncio.create_task(self._perform(effect), name=f"effect {effect.kind}")
        self._running[task] = effect
        places[self._steps[effect.kind].guard] += 1
        task.add_done_callback(partial(self._ended, places))

    def _ended(self, places: Counter[Guard], task: asyncio.Task[None]) -> None:
        places[self._steps[self._running.pop(task).kind].guard] -= 1

    async def _poll(self) -> None:
        await self._hasten()
        for guard, kinds in self._kinds.items():
            if not self._stopping:
                await self._claim(guard, kinds)

    async def _hasten(self) -> None:
        """What waits for an other side that is well again need not wait any longer."""
        if healed := set(self._healed):
            kinds = [kind for guard in healed for kind in self._kinds[guard]]
            async with self._database.transaction("claim", Cause.new()) as session:
                await session.execute(HASTEN, {"kinds": kinds})
            self._healed -= healed

    async def _claim(self, guard: Guard, kinds: Sequence[str]) -> None:
        passing = guard.breaker.room(max(0, guard.policy.concurrency - self._claimed[guard]))
        room = passing or GIVEN_UP_PER_POLL
        async with self._database.transaction("claim", Cause.new()) as session:
            found = await claim(session, kinds, room, self._lease_seconds, callable_=passing > 0)
        for effect in found:
            self._start(effect, self._claimed)
        if len(found) == room:
            self._left_behind = True  # there may be more: the next results make room and wake the poll

    async def _perform(self, effect: Effect) -> None:
        with bound(order_id=effect.subject, effect=effect.kind, correlation_id=effect.correlation_id):
            if effect.expired:
                faults.reach("effects.after_claim")
                self._results.append(Result(effect))
            else:
                await self._perform_guarded(effect, self._steps[effect.kind].guard)
        self.settling.wake()

    async def _perform_guarded(self, effect: Effect, guard: Guard) -> None:
        started = time.monotonic()
        try:
            async with guard.bulkhead.slot():
                if time.monotonic() - started > self._lease_seconds - guard.policy.timeout_seconds:
                    return  # the lease would run out under the call: whoever claims it next has time enough
                faults.reach("effects.after_claim")
                with spans.calling(effect, guard.name):
                    self._results.append(await self._call(effect))
        except RefusedError:
            self._refused.append(effect)

    async def _call(self, effect: Effect) -> Result:
        step = self._steps[effect.kind]
        started = time.perf_counter()
        try:
            outcome = await step.guard.once(partial(step.perform, effect))
            faults.reach("effects.after_answer")
            result = Result(effect, outcome, traceparent=tracing.current())
        except RefusedError:
            raise
        except Exception as error:  # noqa: BLE001  whatever happened, the outcome is unknown: the row is the retry
            reason = printable(f"{type(error).__name__}: {error}".rstrip(": "))
            get_logger().info("an effect must be tried again", attempt=effect.attempt, reason=reason)
            tracing.annotate({}, error=reason)
            result = Result(effect, later=reason)
        metrics.EFFECT_DURATION.labels(effect.kind).observe(time.perf_counter() - started)
        return result

    async def _settle_pending(self) -> float:
        """Write a batch down. Returns how full it was; what comes meanwhile wakes the loop by itself."""
        await self._give_back_refused()
        batch = self._results[:RESULTS_PER_TRANSACTION]
        if not batch:
            return 0
        await self._writer.write_all(batch)
        del self._results[: len(batch)]
        if self._left_behind:
            # Effects that waited for another of their order, or for room, may be due now.
            self._left_behind = False
            self.polling.wake()
        return len(batch) / RESULTS_PER_TRANSACTION

    async def stop(self, seconds: float) -> None:
        """Start no more, let running calls end for at most this long, write results, give back the other leases.

        Where the database is away, whoever claims them when their leases have run out does the rest.
        """
        self._stopping = True
        await self._end(self.polling)
        running = dict(self._running)
        if running:
            await asyncio.wait(running, timeout=seconds)
        unfinished = [effect for task, effect in running.items() if not task.done()]
        for task in running:
            task.cancel()
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._write_down(unfinished)
        except Exception as error:  # noqa: BLE001  stopping goes on
            get_logger().warning("leases could not be given back", error=repr(error))

    async def _write_down(self, unfinished: Sequence[Effect]) -> None:
        await self._end(self.settling)
        while await self._settle_pending():
            pass
        await self._give_back(unfinished)

    async def _give_back_refused(self) -> None:
        """Done once, and never again where that fails: their leases then run out.

        The number of the attempt is used a second time. Written again after a commit whose reply was lost, this could
        take the lease from whoever has claimed that number since.
        """
        refused, self._refused = self._refused, []
        await self._give_back(refused, untried=1)

    async def _give_back(self, effects: Sequence[Effect], *, untried: int = 0) -> None:
        if effects:
            columns = {"id": [effect.id for effect in effects], "attempt": [effect.attempt for effect in effects]}
            async with self._database.transaction("effects") as session:
                await session.execute(GIVE_BACK, {**columns, "untried": untried})

    @staticmethod
    async def _end(loop: Loop) -> None:
        loop.stop()
        await loop.ended.wait()


def _guards(steps: Sequence[Step]) -> list[Guard]:
    return list(dict.fromkeys(step.guard for step in steps))
