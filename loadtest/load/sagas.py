"""What became of the orders of a run, from the orders database: when each was placed, when and how it ended."""

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

FILE = "sagas.csv"
QUERY = """
    SELECT extract(epoch FROM orders.created_at)::float8 - $2 AS placed,
           extract(epoch FROM min(done.created_at) - orders.created_at)::float8 AS seconds,
           orders.status, coalesce(orders.reason, '') AS reason
    FROM idempotency JOIN orders ON orders.id = idempotency.command_id
    LEFT JOIN outbox AS done ON done.subject = orders.id
         AND done.type IN ('order.confirmed.v1', 'order.cancelled.v1') AND done.created_at >= $3
    WHERE idempotency.key LIKE $1 || '-%' AND orders.created_at >= $3
    GROUP BY orders.id ORDER BY orders.id
"""


class Saga(NamedTuple):
    """One order. `placed` counts from the run's start; `seconds` until it was confirmed or cancelled, if it was."""

    placed: float
    seconds: float | None
    status: str
    reason: str

    @property
    def outcome(self) -> str:
        """`confirmed`, `cancelled (expired)` and so on."""
        return f"{self.status} ({self.reason})" if self.reason else self.status


async def load(connection: "asyncpg.Connection[Any]", run: str, started: float) -> list[Saga]:
    """All orders whose keys are this run's."""
    since = datetime.fromtimestamp(started - 5, UTC)
    return [Saga(*row) for row in await connection.fetch(QUERY, _literal(run), started, since)]


def write(directory: Path, sagas: list[Saga]) -> None:
    """Into the run's directory."""
    with (directory / FILE).open("w") as file:
        lines = csv.writer(file)
        lines.writerow(Saga._fields)
        lines.writerows(sagas)


def read(directory: Path) -> list[Saga]:
    """As they were written."""
    with (directory / FILE).open() as file:
        rows = list(csv.reader(file))[1:]
    return [Saga(float(p), float(s) if s else None, status, reason) for p, s, status, reason in rows]


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")
