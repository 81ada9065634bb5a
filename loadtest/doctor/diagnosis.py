"""What an order waits for: an event that is not published, not handled or parked; an effect; or its own expiry."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from verify.database import DATABASES, Node
from verify.subscriptions import declared

Rows = Mapping[str, list[asyncpg.Record]]  # by service

OVERDUE = """
    SELECT id, status, extract(epoch FROM now() - expires_at)::float8 AS overdue_seconds
    FROM orders WHERE expires_at < now() AND (status = 'pending' OR expires_at > now() - interval '1 day')
"""
EVENTS = """
    SELECT outbox.id, type, shard, outbox.subject, published_at IS NOT NULL AS published, attempts, reason
    FROM outbox LEFT JOIN outbox_blocked USING (subject) WHERE outbox.subject = ANY($1) ORDER BY seq
"""
HANDLED = "SELECT id FROM inbox WHERE subject = ANY($1)"
PARKED = "SELECT id, type, subject, reason FROM parked WHERE subject = ANY($1) ORDER BY position"
EFFECTS = """
    SELECT subject, kind, attempt, outcome, greatest(0, extract(epoch FROM due_at - now()))::int AS due_in_seconds
    FROM effects WHERE subject = ANY($1) AND done_at IS NULL ORDER BY id
"""


@dataclass
class Finding:
    """One overdue order, and each thing that it waits for."""

    status: str
    overdue_seconds: float
    waits: list[str] = field(default_factory=list)


async def examine(node: Node) -> dict[UUID, Finding]:
    """Every overdue order for which something is outstanding."""
    overdue = {row["id"]: Finding(row["status"], row["overdue_seconds"]) for row in await node["order"].fetch(OVERDUE)}
    ids = list(overdue)
    waits: defaultdict[UUID, list[str]] = defaultdict(list)
    parked = {name: await node[name].fetch(PARKED, ids) for name in DATABASES}
    await _events(node, ids, parked, waits)
    _parked(parked, waits)
    await _effects(node, ids, waits)
    for id_, finding in overdue.items():
        finding.waits = waits[id_]
        if not finding.waits and finding.status == "pending":
            finding.waits = ["the order service to expire it: is it running?"]
    return {id_: finding for id_, finding in overdue.items() if finding.waits}


async def _events(node: Node, ids: list[UUID], parked: Rows, waits: defaultdict[UUID, list[str]]) -> None:
    """What is not published, and what was published and not handled by somebody who listens."""
    handled = {name: {row["id"] for row in await node[name].fetch(HANDLED, ids)} for name in DATABASES}
    listeners = declared()
    aside = {(name, row["id"]) for name, rows in parked.items() for row in rows}
    for publisher in DATABASES:
        for event in await node[publisher].fetch(EVENTS, ids):
            if not event["published"]:
                refused = f" (refused {event['attempts']} times: {event['reason']})" if event["attempts"] else ""
                waits[event["subject"]].append(f"{publisher}'s relay to publish {event['type']}{refused}")
                continue
            for listener in sorted(listeners[publisher].get(event["type"], ())):
                if event["id"] not in handled[listener] and (listener, event["id"]) not in aside:
                    queue = f"{listener}.p{event['shard']:02d} in vhost {DATABASES[publisher]}"
                    waits[event["subject"]].append(f"{listener} to handle {event['type']} (queue {queue})")


def _parked(parked: Rows, waits: defaultdict[UUID, list[str]]) -> None:
    for name, rows in parked.items():
        for row in rows:
            waits[row["subject"]].append(f"a person: {name} has parked {row['type']} ({row['reason']})")


async def _effects(node: Node, ids: list[UUID], waits: defaultdict[UUID, list[str]]) -> None:
    for name in DATABASES:
        for row in await node[name].fetch(EFFECTS, ids):
            last = f", last: {row['outcome']}" if row["outcome"] else ""
            waits[row["subject"]].append(
                f"{name}'s {row['kind']}: attempt {row['attempt']}, next in {row['due_in_seconds']} s{last}"
            )
