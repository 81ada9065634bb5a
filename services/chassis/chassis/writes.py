"""What a transaction writes last, in one statement: the round trip to the database costs more than the writing."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

Rows = list[dict[str, Any]]


def _ignore(_: Rows) -> None:
    pass


@dataclass(frozen=True)
class Write:
    """One INSERT or UPDATE of a transaction's end.

    Its parameters are called `:<name>_<parameter>` in the SQL, so that statements can stand beside each other.
    `returned` is given what its RETURNING says, as JSON; it may raise, and the transaction is rolled back.
    """

    name: str
    sql: str
    parameters: Mapping[str, Any]
    returned: Callable[[Rows], None] = _ignore


async def write_all(session: AsyncSession, writes: Sequence[Write]) -> None:
    """Write all of it; none sees what another one writes."""
    if not writes:
        return
    asked = tuple((write.name, write.sql, write.returned is not _ignore) for write in writes)
    parameters = {f"{write.name}_{name}": value for write in writes for name, value in write.parameters.items()}
    row = (await session.execute(_together(asked), parameters)).one()
    for write in writes:
        if write.returned is not _ignore:
            write.returned(json.loads(getattr(row, write.name)))


@cache
def _together(asked: tuple[tuple[str, str, bool], ...]) -> TextClause:
    """One statement, made once for each combination."""
    parts = ", ".join(f"wrote_{name} AS ({sql})" for name, sql, _ in asked)
    shown = [
        f"(SELECT CAST(coalesce(json_agg(wrote_{name}), '[]') AS text) FROM wrote_{name}) AS {name}"  # noqa: S608  our own names
        for name, _, returning in asked
        if returning
    ]
    return text(f"WITH {parts} SELECT {', '.join(shown) or 'NULL'}")
