"""Invariant 3: money follows the orders, in the payments database and in the provider's own ledger."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from itertools import chain

from verify.report import Result
from verify.rows import Entry, Facts, Order, Payment

ENDED = ("captured", "declined", "voided", "refunded")
TOMBSTONE_CURRENCY = "XXX"  # a payment called off before it was asked for: the provider never heard of it


def check_money(facts: Facts, excused: Collection[str] = ()) -> Result:
    """3. Confirmed: captured exactly once, not refunded; cancelled: captures = refunds; the ledger says the same.

    Of an order that is excused the payment may not be there yet, or not have ended. Nobody is ever charged twice.
    """
    result = Result(3, "money")
    orders, payments, ledger = facts.orders, facts.payments, facts.ledger
    lines = Counter(entry.kind for entry in chain.from_iterable(ledger.values()))
    states = Counter(payment.status for payment in payments.values())
    twice = [key for key, entries in ledger.items() if _count(entries, "capture") > 1]
    result.counts = {
        "captured": lines["capture"],
        "charged twice": result.blame("charged twice in the provider's ledger", twice),
        "refunded": lines["refund"],
        "voided": states["voided"],
        "declined": states["declined"],
    }
    result.blame("an order without a payment", {id_ for id_ in set(orders) - set(payments) if str(id_) not in excused})
    result.blame("a payment without an order", set(payments) - set(orders))
    result.blame("in the provider's ledger, but without a payment", set(ledger) - {str(id_) for id_ in payments})
    wrong: defaultdict[str, list[str]] = defaultdict(list)
    for id_, payment in payments.items():
        if str(id_) in excused:
            continue
        entries = ledger.get(str(id_), [])
        for words in chain(_against_order(payment, orders.get(id_)), _against_ledger(payment, entries)):
            wrong[words].append(_shown(payment, orders.get(id_), entries))
    for words, names in wrong.items():
        result.blame(words, names)
    return result


def _against_order(payment: Payment, order: Order | None) -> Iterator[str]:
    """How the payment and its order contradict each other."""
    if payment.status not in ENDED:
        yield "its payment has not come to an end"
    if order is None:
        return
    if order.status == "confirmed" and payment.status != "captured":
        yield "confirmed, but its payment is not captured"
    if order.status == "cancelled" and payment.status == "captured":
        yield "cancelled, but its payment is captured"
    asked = (payment.amount_cents, payment.currency)
    if payment.currency != TOMBSTONE_CURRENCY and asked != (order.total_cents, order.currency):
        yield "the payment is not over what the order costs"


def _against_ledger(payment: Payment, entries: list[Entry]) -> Iterator[str]:
    """How the payment and the provider contradict each other."""
    captures, refunds = _count(entries, "capture"), _count(entries, "refund")
    if payment.status == "captured" and (captures, refunds) != (1, 0):
        yield "captured here, but the provider's ledger does not hold exactly one capture and no refund"
    if payment.status == "refunded" and (captures, refunds) != (1, 1):
        yield "refunded here, but the provider's ledger does not hold one capture and one refund"
    if payment.status == "voided" and captures != refunds:
        yield "voided here, but the provider has kept or lost money"
    if payment.status == "declined" and captures:
        yield "declined here, but the provider has captured"
    called_off = {entry.kind for entry in entries} & {"void", "decline"}
    if payment.status == "voided" and payment.currency != TOMBSTONE_CURRENCY and not called_off:
        yield "voided here, but the provider would still take a late charge"
    moved = {(e.amount_cents, e.currency) for e in entries if e.kind in ("capture", "refund")}
    if moved - {(payment.amount_cents, payment.currency)}:
        yield "the provider has moved another amount"


def _count(entries: list[Entry], kind: str) -> int:
    return sum(entry.kind == kind for entry in entries)


def _shown(payment: Payment, order: Order | None, entries: list[Entry]) -> str:
    said = ", ".join(f"{entry.kind} {entry.amount_cents}" for entry in entries) or "nothing"
    ordered = f"order {order.status} over {order.total_cents}" if order else "no order"
    return f"{payment.id}: {ordered}, payment {payment.status} over {payment.amount_cents}, ledger: {said}"
