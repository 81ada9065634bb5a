"""Effects: calls to the outside world, asked for in a transaction and performed after it, under an idempotency key.

A handler that wants a charge or a mail inserts an effect row. The runner performs it; its result is again one
transaction. The row is the retry. Claiming sets a lease and counts the attempt; a result commits only where the
attempt still matches (a *fencing token*), so a slow or frozen runner can do no harm. One effect per order runs at a
time, except that a new one may supersede an unfinished one.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Row, text

from chassis import tracing
from chassis.db import Aggregate, Cause, Session
from chassis.events import uuid7
from chassis.outbox import columns
from chassis.resilience import BreakerPolicy, Guard, Policy
from chassis.writes import Rows, Write

WAITING_PER_CALL = 8  # what is handed over in memory and finds no place is given back
SLOW_SHARE = 0.8  # of the time limit: who needs that long as a rule is about to fail

SUPERSEDE = text("""
    UPDATE effects SET done_at = now(), outcome = 'superseded'
    WHERE done_at IS NULL AND (subject, kind) IN (
        SELECT * FROM unnest(CAST(:subject AS uuid[]), CAST(:supersedes AS text[])))
""")
INSERT = """
    INSERT INTO effects (id, kind, subject, aggregate_id, payload, partition, correlation_id, causation_id, traceparent,
                         give_up_at, attempt, leased_until)
    SELECT id, kind, subject, aggregate_id, CAST(payload AS jsonb), partition, correlation_id, causation_id,
           traceparent, now() + make_interval(secs => give_up),
           CASE WHEN leased THEN 1 ELSE 0 END,
           CASE WHEN leased THEN now() + make_interval(secs => :effects_lease) END
    FROM (SELECT row.*, hand_over AND row_number() OVER (PARTITION BY row.subject ORDER BY row.id) = 1 AND NOT EXISTS (
              SELECT FROM effects AS earlier WHERE earlier.subject = row.subject AND done_at IS NULL) AS leased
          FROM unnest(CAST(:effects_id AS uuid[]), CAST(:effects_kind AS text[]), CAST(:effects_subject AS uuid[]),
                      CAST(:effects_aggregate_id AS uuid[]), CAST(:effects_payload AS text[]),
                      CAST(:effects_partition AS int[]), CAST(:effects_correlation_id AS uuid[]),
                      CAST(:effects_causation_id AS uuid[]), CAST(:effects_traceparent AS text[]),
                      CAST(:effects_give_up AS float8[]), CAST(:effects_hand_over AS bool[]))
               AS row (id, kind, subject, aggregate_id, payload, partition, correlation_id, causation_id,
                       traceparent, give_up, hand_over)) AS row
    RETURNING id, attempt
"""


@dataclass(frozen=True)
class Effect:
    """One claimed attempt at a call. `attempt` is its fencing token; `expired` means: give it up instead."""

    id: UUID
    kind: str
    subject: UUID
    aggregate_id: UUID
    payload: dict[str, Any]
    partition: int
    attempt: int
    correlation_id: UUID
    causation_id: UUID | None
    traceparent: str | None = None
    expired: bool = False

    @property
    def cause(self) -> Cause:
        """What the result's transaction goes back to: whatever caused the effect."""
        return Cause(self.correlation_id, self.causation_id, self.partition)

    @classmethod
    def of(cls, row: Row[Any]) -> "Effect":
        """A claimed row."""
        fields = row._asdict()
        return cls(**{**fields, "payload": json.loads(fields["payload"])})


@dataclass(frozen=True)
class RunnerFacts:
    """What a transaction must know of this process' runner: how many calls it can take on, and each kind's deadline."""

    room: Callable[[str], int]
    lease_seconds: float
    give_up_seconds: Mapping[str, float | None]


NO_RUNNER = RunnerFacts(room=lambda _: 0, lease_seconds=0, give_up_seconds={})


class TryLater(Exception):  # noqa: N818  it asks for something, it does not accuse
    """Raised by `perform` when the outcome is unknown or the other side asks for patience; says why.

    `alive` says that it is about this one call only: the other side itself is well, and no reason to leave it alone.
    """

    def __init__(self, reason: str, *, alive: bool = False) -> None:
        super().__init__(reason)
        self.alive = alive


class Step(Protocol):
    """One kind of call. `perform` talks to the outside world and touches no database; the other two are transactions.

    `perform` may run more than once for the same effect, also at the same time after a freeze: it must send an
    idempotency key made from the effect's `subject` or `id`. Anything it raises means "try later". A call is given up
    `give_up_seconds` after it was asked for, or never. Kinds of call to the same other side share its `guard`.
    """

    kind: str
    guard: Guard
    give_up_seconds: float | None

    async def perform(self, effect: Effect) -> Any:
        """Make the call. Returns the outcome; raises `TryLater`."""

    async def settle(self, effect: Effect, outcome: Any, session: Session) -> None:
        """Apply the outcome to the (already locked) aggregate."""

    async def give_up(self, effect: Effect, session: Session) -> None:
        """The deadline has passed without an outcome."""


def effect_guard(name: str, timeout_seconds: float, concurrency: int) -> Guard:
    """The guard of what effects call. No retry in it: the row is the retry."""
    policy = Policy(
        timeout_seconds=timeout_seconds,
        concurrency=concurrency,
        queue=WAITING_PER_CALL * concurrency,
        breaker=BreakerPolicy(slow_seconds=SLOW_SHARE * timeout_seconds),
    )
    return Guard(name, policy, blames=lambda error: not (isinstance(error, TryLater) and error.alive))


@dataclass(frozen=True)
class Request:
    """One effect row to be."""

    id: UUID
    kind: str
    subject: UUID
    aggregate_id: UUID
    payload: str
    partition: int
    correlation_id: UUID
    causation_id: UUID | None
    traceparent: str | None
    supersedes: str | None

    def ends(self, earlier: "Request") -> bool:
        """Whether this one takes the place of an earlier one."""
        return self.subject == earlier.subject and self.supersedes == earlier.kind


def request(
    session: Session,
    aggregate: Aggregate,
    kind: str,
    payload: dict[str, Any],
    *,
    subject: UUID | None = None,
    supersedes: str | None = None,
) -> None:
    """Ask for a call in this transaction.

    `subject` is the order, where the aggregate's own id is another. `supersedes` is the kind of an unfinished effect of
    the same order that this one ends.
    """
    requests(session).append(
        Request(
            id=uuid7(),
            kind=kind,
            subject=subject or aggregate.id,
            aggregate_id=aggregate.id,
            payload=json.dumps(payload),
            partition=aggregate.partition,
            correlation_id=session.cause.correlation_id,
            causation_id=session.cause.event_id,
            traceparent=tracing.current(),
            supersedes=supersedes,
        )
    )
    session.defer(_write)


def requests(session: Session) -> list[Request]:
    """What this transaction has asked for so far."""
    found: list[Request] = session.info.setdefault("effects", [])
    return found


def leased(session: Session) -> list[Effect]:
    """The effects of this transaction that were leased to this process, to be performed right after the commit."""
    found: list[Effect] = session.info.setdefault("leased", [])
    return found


async def _write(session: Session) -> Write:
    """Write what was asked for since the last time, without what it supersedes itself."""
    fresh = requests(session)[session.info.get("effects_written", 0) :]
    session.info["effects_written"] = len(requests(session))
    wanted = [wish for n, wish in enumerate(fresh) if not any(later.ends(wish) for later in fresh[n + 1 :])]
    replacing = [request for request in wanted if request.supersedes]
    if replacing:
        fields = columns(replacing)
        await session.execute(SUPERSEDE, {"subject": fields["subject"], "supersedes": fields["supersedes"]})
    fields = columns(wanted)
    del fields["supersedes"]
    runner: RunnerFacts = session.info.get("runner", NO_RUNNER)
    fields["give_up"] = [runner.give_up_seconds.get(wish.kind) for wish in wanted]
    fields["hand_over"] = [runner.room(wish.kind) > 0 for wish in wanted]

    def hand_over(rows: Rows) -> None:
        ours = {row["id"] for row in rows if row["attempt"]}
        leased(session).extend(_first_attempt(wish) for wish in wanted if str(wish.id) in ours)

    return Write("effects", INSERT, {**fields, "lease": runner.lease_seconds}, hand_over)


def _first_attempt(wish: Request) -> Effect:
    return Effect(
        id=wish.id,
        kind=wish.kind,
        subject=wish.subject,
        aggregate_id=wish.aggregate_id,
        payload=json.loads(wish.payload),
        partition=wish.partition,
        attempt=1,
        correlation_id=wish.correlation_id,
        causation_id=wish.causation_id,
        traceparent=wish.traceparent,
    )
