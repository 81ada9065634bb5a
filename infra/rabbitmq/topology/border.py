"""What the broker must allow and refuse each service: the attempts, and what should come of them.

The expectations follow from the services' contracts alone, never from the permissions in definitions.json: a mistake
there is what this is to find. No attempt does harm where the border is open: nothing is bound to the key that is
published, what is purged does not exist, what is deleted is in use or goes only unused, what was made is taken away.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from chassis.broker import EXCHANGE
from chassis.events import Contract
from topology.contracts import subscribers
from topology.definitions import DEAD_LETTERS

ALLOWED, REFUSED = "allowed", "refused"
NOT_THERE = "border-check"


@dataclass(frozen=True)
class Attempt:
    """One user tries one thing in one vhost. `verb` is a function of `topology.attempts`."""

    user: str
    vhost: str
    verb: str
    target: str
    expected: str

    def __str__(self) -> str:
        return f"{self.verb.replace('_', ' ')} {self.target}"


def attempts(contracts: Sequence[Contract]) -> list[Attempt]:
    """Everything that is tried, connection by connection."""
    return [tried for user in contracts for owner in contracts for tried in _in_vhost(user, owner, contracts)]


def _in_vhost(user: Contract, owner: Contract, contracts: Sequence[Contract]) -> Iterator[Attempt]:
    listeners = subscribers(contracts, owner.vhost)
    owns, listens = user.service == owner.service, user in listeners

    def attempt(verb: str, target: str, expected: str = REFUSED) -> Attempt:
        return Attempt(user.service, owner.vhost, verb, target, expected)

    yield attempt("connect_to", owner.vhost, ALLOWED if owns or listens else REFUSED)
    if not owns and not listens:
        return
    yield attempt("publish_to", EXCHANGE, ALLOWED if owns else REFUSED)
    yield attempt("publish_as_somebody_else_to", EXCHANGE)
    yield attempt("publish_to", DEAD_LETTERS)
    yield attempt("publish_past_exchanges_to", NOT_THERE)
    for listener in listeners:
        yield from _at_queues_of(listener, attempt, ALLOWED if listener == user else REFUSED)
    for name in (f"{user.service}.{NOT_THERE}", NOT_THERE):
        yield attempt("declare_queue", name)
    yield attempt("declare_exchange", NOT_THERE)
    yield attempt("delete_exchange", EXCHANGE)


def _at_queues_of(listener: Contract, attempt: Callable[..., Attempt], reading: str) -> Iterator[Attempt]:
    queue, not_there = listener.queue(0), f"{listener.service}.{NOT_THERE}"
    yield attempt("consume", queue, reading)
    yield attempt("consume", listener.dead_letter_queue, reading)
    yield attempt("bind_queue", queue)
    yield attempt("delete_queue", queue)
    if reading == REFUSED:  # the right to read is the right to purge: a service has both for its own queues
        yield attempt("purge", not_there)
        yield attempt("declare_queue", not_there)
