"""How a live broker differs from the definitions: one line per difference, each saying what to do.

Only the vhosts of the definitions are looked at, but in them everything: what nobody declared is a difference too.
"""

from collections.abc import Iterator
from typing import Any

from topology.files import Definitions, Row, users_of, vhosts_of
from topology.kinds import APPLY, KINDS, Kind
from topology.management import Management
from topology.users import TAGS


def differences(definitions: Definitions, management: Management) -> list[str]:
    """Compare all of it. Raises `ManagementError`."""
    live = {row["name"] for row in management.get("vhosts")}
    lines = list(tags(users_of(definitions), management.get("users")))
    for vhost in vhosts_of(definitions):
        if vhost not in live:
            lines.append(f"missing vhost {vhost}: {APPLY}")
            continue
        for kind in KINDS:
            expected = [row for row in definitions.get(kind.section, []) if row["vhost"] == vhost]
            lines += compare(kind, vhost, expected, listed(kind, vhost, management))
    return lines


def listed(kind: Kind, vhost: str, management: Management) -> list[Row]:
    """What there is of a kind in a vhost, without what the broker makes itself."""
    rows = management.get(*(segment.format(vhost=vhost) for segment in kind.path))
    return [row for row in rows if row.get("vhost") == vhost and not built_in(kind, row)]


def built_in(kind: Kind, row: Row) -> bool:
    """The default exchange and its bindings, the `amq.` exchanges, and what the list of parameters tells twice."""
    if kind.name == "exchange":
        name: str = row["name"]
        return not name or name.startswith("amq.")
    if kind.name == "parameter":
        return row["component"] == "operator_policy" or not row["value"]
    return kind.name == "binding" and not row["source"]


def compare(kind: Kind, vhost: str, expected: list[Row], found: list[Row]) -> Iterator[str]:
    """The differences of one kind in one vhost."""
    wanted = {kind.named(row): kind.values(with_type(kind, row)) for row in expected}
    there = {kind.named(row): kind.values(row) for row in found}
    for label in sorted(wanted.keys() - there.keys()):
        yield f"missing {kind.name} {label} in vhost {vhost}: {APPLY}"
    for row in found:
        label = kind.named(row)
        if label not in wanted:
            yield f"unexpected {kind.name} {label} in vhost {vhost}: nothing declares it; {kind.remove.format_map(row)}"
        elif wanted[label] != there[label]:
            repair = (
                f"it cannot be changed in place: {kind.remove.format_map(row)}, then {APPLY}" if kind.fixed else APPLY
            )
            yield f"different {kind.name} {label} in vhost {vhost}: {deviations(wanted[label], there[label])}; {repair}"


def with_type(kind: Kind, row: Row) -> Row:
    """The API tells a queue's type apart from its arguments; the definitions have it in them."""
    return row | {"type": row["arguments"]["x-queue-type"]} if kind.name == "queue" else row


def deviations(wanted: dict[str, Any], there: dict[str, Any]) -> str:
    """Every value that differs."""
    absent = "absent"
    return ", ".join(
        f"{name} is {there.get(name, absent)} and should be {wanted.get(name, absent)}"
        for name in sorted(wanted.keys() | there.keys())
        if wanted.get(name, absent) != there.get(name, absent)
    )


def tags(users: list[str], live: list[Row]) -> Iterator[str]:
    """A tag opens the management API, and `administrator` every vhost."""
    found = {row["name"]: row["tags"] for row in live}
    for user in users:
        wanted = TAGS.get(user, [])
        if user in found and sorted(found[user]) != wanted:
            is_, should = (" ".join(tags) or "none" for tags in (found[user], wanted))
            command = f"rabbitmqctl set_user_tags {user} {' '.join(wanted)}".rstrip()
            yield f"different tags of user {user}: they are {is_} and should be {should}; {command}"
