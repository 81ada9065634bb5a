"""Who performs an effect now: leases that end by themselves, and attempts that tell a late answer from a current one.

Claiming sets a lease and counts the attempt; a result commits only where the attempt still matches (a *fencing token*),
so that a slow or frozen runner can do no harm.
"""

from collections.abc import Sequence

from sqlalchemy import text

from chassis.db import Session
from chassis.effects import Effect

CLAIM = text("""
    UPDATE effects SET attempt = attempt + 1, leased_until = now() + make_interval(secs => :lease)
    WHERE id IN (
        SELECT id FROM effects AS due
        WHERE done_at IS NULL AND due_at <= now() AND (leased_until IS NULL OR leased_until < now())
          AND kind = ANY(CAST(:kinds AS text[])) AND (:callable OR give_up_at <= now())
          AND NOT EXISTS (SELECT FROM effects AS earlier
                          WHERE earlier.subject = due.subject AND earlier.done_at IS NULL AND earlier.id < due.id)
        ORDER BY id LIMIT :room FOR UPDATE SKIP LOCKED)
    RETURNING id, kind, subject, aggregate_id, CAST(payload AS text) AS payload, partition, attempt,
              correlation_id, causation_id, traceparent, coalesce(now() >= give_up_at, false) AS expired
""")
FENCE = text("""
    UPDATE effects SET done_at = now(), leased_until = NULL, outcome = row.outcome
    FROM unnest(CAST(:id AS uuid[]), CAST(:attempt AS int[]), CAST(:outcome AS text[])) AS row (id, attempt, outcome)
    WHERE effects.id = row.id AND effects.attempt = row.attempt AND done_at IS NULL
    RETURNING effects.id, effects.attempt
""")
RETRY_LATER = text("""
    UPDATE effects SET leased_until = NULL, outcome = row.outcome,
        due_at = least(now() + make_interval(secs => row.seconds), coalesce(give_up_at, 'infinity'))
    FROM unnest(CAST(:id AS uuid[]), CAST(:attempt AS int[]), CAST(:outcome AS text[]),
                CAST(:seconds AS float8[])) AS row (id, attempt, outcome, seconds)
    WHERE effects.id = row.id AND effects.attempt = row.attempt AND done_at IS NULL
    RETURNING effects.id, effects.attempt
""")
GIVE_BACK = text("""
    UPDATE effects SET leased_until = NULL, due_at = now(), attempt = effects.attempt - :untried
    FROM unnest(CAST(:id AS uuid[]), CAST(:attempt AS int[])) AS row (id, attempt)
    WHERE effects.id = row.id AND effects.attempt = row.attempt AND done_at IS NULL
""")
HASTEN = text("""
    UPDATE effects SET due_at = now()
    WHERE id IN (
        SELECT id FROM effects
        WHERE done_at IS NULL AND leased_until IS NULL AND due_at > now() AND kind = ANY(CAST(:kinds AS text[]))
        FOR UPDATE SKIP LOCKED)
""")


async def claim(
    session: Session, kinds: Sequence[str], room: int, lease_seconds: float, *, callable_: bool = True
) -> Sequence[Effect]:
    """Lease up to `room` due effects of these kinds, the oldest first; each claim is an attempt.

    Not what became due first: beside an other side that comes and goes, some would have bad luck until they are given
    up.
    Where no call can be made now (`callable_`), only those that are to be given up.
    """
    parameters = {"kinds": kinds, "room": room, "lease": lease_seconds, "callable": callable_}
    return [Effect.of(row) for row in await session.execute(CLAIM, parameters)]
