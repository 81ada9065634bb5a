"""What may happen to a charge: one literal table, total over every status and command.

A key is captured at most once, refunded at most once and only after its capture, and a void is final: it gives the
money of a captured charge back, and a charge that arrives after it (even the first one) takes nothing. A command
that changes nothing is answered with the charge as it is, so every command may be repeated.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from provider.problems import Problem


class Status(StrEnum):
    """Where a charge stands. `unseen` is never stored: it is a key nobody has used yet."""

    UNSEEN = "unseen"
    CAPTURED = "captured"
    DECLINED = "declined"
    VOIDED = "voided"
    REFUNDED = "refunded"


class Command(StrEnum):
    """What a merchant asks for. A charge comes as one of two: the card behind it decides which."""

    CAPTURE = "charge with a card that pays"
    DECLINE = "charge with a card that does not"
    VOID = "void"
    REFUND = "refund"


class Entry(StrEnum):
    """One line of the ledger."""

    CAPTURE = "capture"
    DECLINE = "decline"
    REFUND = "refund"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Change:
    """The charge's next status, and what the ledger gets in the same transaction."""

    status: Status
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The command makes no sense here; the charge stays as it is."""

    http_status: int
    why: str


STAY = None

TRANSITIONS: Mapping[tuple[Status, Command], Change | Refusal | None] = {
    (Status.UNSEEN, Command.CAPTURE): Change(Status.CAPTURED, (Entry.CAPTURE,)),
    (Status.UNSEEN, Command.DECLINE): Change(Status.DECLINED, (Entry.DECLINE,)),
    (Status.UNSEEN, Command.VOID): Change(Status.VOIDED, (Entry.VOID,)),  # a tombstone: the charge may still arrive
    (Status.UNSEEN, Command.REFUND): Refusal(404, "no charge has this key"),
    (Status.CAPTURED, Command.CAPTURE): STAY,
    (Status.CAPTURED, Command.DECLINE): STAY,
    (Status.CAPTURED, Command.VOID): Change(Status.VOIDED, (Entry.REFUND, Entry.VOID)),
    (Status.CAPTURED, Command.REFUND): Change(Status.REFUNDED, (Entry.REFUND,)),
    (Status.DECLINED, Command.CAPTURE): STAY,
    (Status.DECLINED, Command.DECLINE): STAY,
    (Status.DECLINED, Command.VOID): STAY,
    (Status.DECLINED, Command.REFUND): Refusal(409, "the charge was declined: there is nothing to refund"),
    (Status.VOIDED, Command.CAPTURE): STAY,
    (Status.VOIDED, Command.DECLINE): STAY,
    (Status.VOIDED, Command.VOID): STAY,
    (Status.VOIDED, Command.REFUND): Refusal(409, "the charge was voided: there is nothing to refund"),
    (Status.REFUNDED, Command.CAPTURE): STAY,
    (Status.REFUNDED, Command.DECLINE): STAY,
    (Status.REFUNDED, Command.VOID): STAY,
    (Status.REFUNDED, Command.REFUND): STAY,
}


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge under its merchant's key. `fingerprint` is of the request that made it; a tombstone has none."""

    key: str
    status: Status = Status.UNSEEN
    amount_cents: int = 0
    currency: str | None = None
    decline_reason: str | None = None
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The charge after a command, and the ledger entries it made: none when it changed nothing."""

    charge: Charge
    entries: tuple[Entry, ...]


Step = Callable[[Charge], Outcome]


def charge(request: Charge) -> Step:
    """Charge as requested; a `decline_reason` makes it a declined one. Refuses a key used with another request."""

    def step(before: Charge) -> Outcome:
        if before.fingerprint not in (None, request.fingerprint):
            raise Problem(422, "this key was used with another request: use a new one", "Idempotency-Key")
        outcome = _move(before, Command.DECLINE if request.decline_reason else Command.CAPTURE)
        if not outcome.entries:
            return outcome
        return Outcome(replace(request, status=outcome.charge.status), outcome.entries)

    return step


def void(before: Charge) -> Outcome:
    """Make sure that no money is or will be taken under this key, whether or not the charge has arrived."""
    return _move(before, Command.VOID)


def refund(before: Charge) -> Outcome:
    """Give the money of a captured charge back."""
    return _move(before, Command.REFUND)


def _move(before: Charge, command: Command) -> Outcome:
    transition = TRANSITIONS[before.status, command]
    if isinstance(transition, Refusal):
        raise Problem(transition.http_status, transition.why)
    if transition is STAY:
        return Outcome(before, ())
    return Outcome(replace(before, status=transition.status), transition.entries)
