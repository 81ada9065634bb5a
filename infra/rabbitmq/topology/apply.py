"""The topology job: brings the broker to the committed definitions and says what is still different.

It adds and overwrites, and never deletes: what should not be there may hold messages, so a person decides.
"""

from chassis import faults
from topology.drift import differences
from topology.environment import number, refuse_unknown, secret, setting
from topology.files import Definitions, users_of
from topology.management import Management, ManagementError

USER = "topology"


def run(definitions: Definitions, *, change: bool, wait_seconds: float) -> int:
    """Apply if `change`, then compare. Returns 1 and prints a line per difference if there are any."""
    refuse_unknown()
    refuse_other_partitions(definitions)
    management = Management(setting("QS_MANAGEMENT_URL"), USER, secret(USER))
    management.wait(lambda api: missing_users(definitions, api), wait_seconds)
    lines = attempt(definitions, management) if change else []
    try:
        lines += differences(definitions, management)
    except ManagementError as error:
        raise SystemExit(f"cannot compare with the broker at {management.url}: {error}") from None
    for line in lines:
        print(line)
    if not lines:
        print(f"the broker has exactly this topology: {summary(definitions)}")
    return 1 if lines else 0


def attempt(definitions: Definitions, management: Management) -> list[str]:
    """Import the definitions, section by section, so that a job that dies half-way has left whole sections.

    A refusal is a line of its own: the differences after it tell why, and what is left.
    """
    try:
        for section, rows in definitions.items():
            management.post("definitions", body={section: rows})
            faults.reach("topology.after_first")
    except ManagementError as error:
        return [f"could not apply everything: {error}"]
    return []


def missing_users(definitions: Definitions, management: Management) -> str:
    """A broker answers before it has loaded its users, and never does if nobody told it to."""
    there = {row["name"] for row in management.get("users")}
    missing = [user for user in users_of(definitions) if user not in there]
    if not missing:
        return ""
    return (
        f"it has no user {', '.join(missing)}; let it load the output of python -m topology users at boot"
        " (load_definitions)"
    )


def refuse_other_partitions(definitions: Definitions) -> None:
    """Services told another number of partitions would find no queue for some orders: say it here, with the cure."""
    names = {row["name"] for row in definitions["queues"] if not row["name"].endswith(".dead")}
    partitions = len({name.partition(".")[2] for name in names})
    told = number("QS_PARTITIONS", str(partitions))
    if told != partitions:
        raise SystemExit(
            f"QS_PARTITIONS is {told}, but the definitions have {partitions} partitions: write them anew with"
            f" python -m topology generate --partitions {told}"
        )


def summary(definitions: Definitions) -> str:
    """How much there is of what."""
    return ", ".join(f"{len(rows)} {section}" for section, rows in definitions.items())
