"""State machines as literal tables: every (state, input) pair says what happens, so that no handler can be surprised.

A pair leads to a next state, or to one of three verdicts. A pair that is not in the table is a mistake in the table;
the services' tests walk all of them.
"""

from collections.abc import Mapping
from enum import Enum

from chassis.parking import ParkError


class Verdict(Enum):
    """What happens where nothing moves."""

    RECORD = "record"  # the inbox keeps the fact; nothing changes
    IGNORE = "ignore"  # expected, and already taken care of
    PARK = "park"  # impossible: a person must look


Table = Mapping[tuple[str | None, str], str | Verdict]


def advance(table: Table, state: str | None, event: str, detail: str = "") -> str | None:
    """The next state, or `None` if nothing changes. Raises `ParkError`, with the detail, for what is impossible."""
    verdict = table[state, event]
    if verdict is Verdict.PARK:
        raise ParkError(f"{event} does not go with state {state or 'unknown'}{detail and f': {detail}'}")
    return verdict if isinstance(verdict, str) else None
