"""Mailpit's search language, as far as the sink speaks it: `message-id: subject: from: to: cc: bcc: reply-to: is:`.

Terms are joined by "and", match a part of the field in any case, may be quoted, and are negated by `-` or `!`.
A term the sink does not know is refused: ignoring it would answer another question than was asked.
"""

import re
from dataclasses import dataclass

TERM = re.compile(r'(?P<negated>[-!]?)(?P<field>[a-z-]+):(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s"]+))\s*', re.IGNORECASE)
COLUMNS = {
    "message-id": "message_id",
    "subject": "subject",
    "from": "addresses ->> '$.From'",
    "to": "addresses ->> '$.To'",
    "cc": "addresses ->> '$.Cc'",
    "bcc": "addresses ->> '$.Bcc'",
    "reply-to": "addresses ->> '$.ReplyTo'",
}


class SearchError(Exception):
    """The query cannot be answered; the message says why."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on mails: SQL made of this module's own words, and the values it is asked with."""

    sql: str = "true"
    values: tuple[str, ...] = ()


EVERYTHING = Filter()


def parse(query: str) -> Filter:
    """The filter a query asks for. Raises `SearchError`."""
    conditions: list[str] = []
    values: list[str] = []
    rest = query.strip()
    while rest:
        term = TERM.match(rest)
        if term is None:
            raise SearchError(
                f"cannot search for '{rest}': terms are {', '.join(COLUMNS)} or is, then a colon and a word"
            )
        wanted = term["quoted"] if term["plain"] is None else term["plain"]
        condition, value = _condition(term["field"].lower(), wanted)
        conditions.append(f"NOT ({condition})" if term["negated"] else condition)
        values += value
        rest = rest[term.end() :]
    if not conditions:
        raise SearchError("there is no search query: give one in 'query'")
    return Filter(" AND ".join(conditions), tuple(values))


def _condition(field: str, wanted: str) -> tuple[str, list[str]]:
    if field == "is" and wanted.lower() in ("read", "unread"):
        return f"read = {int(wanted.lower() == 'read')}", []
    if field not in COLUMNS:
        raise SearchError(
            f"cannot search for '{field}:{wanted}': terms are {', '.join(COLUMNS)}, is:read and is:unread"
        )
    literal = re.sub(r"([\\%_])", r"\\\1", wanted.removeprefix("<").removesuffix(">"))
    return f"{COLUMNS[field]} LIKE ? ESCAPE '\\'", [f"%{literal}%"]
