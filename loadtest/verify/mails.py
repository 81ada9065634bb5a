"""Invariant 5: each mail that the orders and the payments call for was sent once, and no other.

The ids are computed here again, on purpose: what is checked does not say itself what to expect.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from uuid import UUID, uuid5

from verify.report import Result
from verify.rows import Facts, Notification, Order

DOMAIN = "quicksand.example"
ON_CALL = f"on-call@{DOMAIN}"  # alerts come by mail, too
EVENTS_UNLESS_CONFIRMED = 2  # placed and cancelled: an order with one more was confirmed in between
SMTP_REFUSAL = re.compile(r"5\d\d\b")


def check_mails(facts: Facts, excused: Collection[str] = ()) -> Result:
    """5. The expected mails were each sent once, or failed for good with the SMTP reason; copies only by attempts.

    Those of an order that is excused may not have been asked for yet, or not have been sent.
    """
    result = Result(5, "mails")
    expected = _expected(facts)
    mails, notifications = facts.mails, facts.notifications
    absent = [
        f"{kind} of order {order.id}"
        for id_, (order, kind) in expected.items()
        if id_ not in notifications and str(order.id) not in excused
    ]
    missing = result.blame("it was never asked for", absent)
    result.blame("nobody should get it", [_shown(row) for id_, row in notifications.items() if id_ not in expected])
    wrong: defaultdict[str, list[str]] = defaultdict(list)
    for row in notifications.values():
        if str(row.order_id) in excused:
            continue
        copies = mails.get(message_id(row.id), [])
        for words in _faults(row, copies, expected.get(row.id)):
            wrong[words].append(f"{_shown(row)}, {row.status}, {len(copies)} at the mail server")
    for words, names in wrong.items():
        result.blame(words, names)
    known = {message_id(id_) for id_ in notifications}
    foreign = [id_ for id_, copies in mails.items() if id_ not in known and set(copies) != {ON_CALL}]
    strangers = [id_ or "(a mail without Message-ID)" for id_ in foreign]
    result.blame("at the mail server, but no notification's", strangers)
    result.counts = {
        "expected": len(expected),
        "sent": sum(row.status == "sent" for row in notifications.values()),
        "refused for good": sum(row.status == "failed" for row in notifications.values()),
        "missing": missing,
        "extra copies": sum(len(copies) - 1 for copies in mails.values()),
    }
    return result


def message_id(notification_id: UUID) -> str:
    """The same for every attempt at the same mail."""
    return f"{notification_id}@{DOMAIN}"


def _expected(facts: Facts) -> dict[UUID, tuple[Order, str]]:
    """Every mail that should be, by its notification's id."""
    found: dict[UUID, tuple[Order, str]] = {}
    for order in facts.orders.values():
        for kind in _kinds(order):
            found[uuid5(order.id, kind)] = order, kind
    for payment in facts.payments.values():
        if payment.status == "refunded" and payment.id in facts.orders:
            found[uuid5(payment.id, "payment_refunded")] = facts.orders[payment.id], "payment_refunded"
    return found


def _kinds(order: Order) -> Iterator[str]:
    if order.status == "cancelled":
        yield "order_cancelled"
    if order.status == "confirmed" or (order.status == "cancelled" and order.version > EVENTS_UNLESS_CONFIRMED):
        yield "order_confirmed"


def _faults(row: Notification, copies: list[str], expected: tuple[Order, str] | None) -> Iterator[str]:
    if row.status == "sent" and not copies:
        yield "sent, but it never arrived at the mail server"
    if row.status == "failed" and not SMTP_REFUSAL.match(row.reason or ""):
        yield "failed without the mail server's reason"
    if row.status not in ("sent", "failed"):
        yield "neither sent nor refused"
    if row.attempts is not None and len(copies) > row.attempts - (row.status == "failed"):
        yield "more copies than its attempts explain"
    if expected and row.email != expected[0].email:
        yield "asked for somebody else than who ordered"
    if set(copies) - {row.email}:
        yield "arrived for somebody else"


def _shown(row: Notification) -> str:
    attempts = "unknown" if row.attempts is None else row.attempts
    return f"{row.kind} of order {row.order_id} ({message_id(row.id)}, attempts: {attempts})"
