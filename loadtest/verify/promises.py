"""Invariants 1 and 9: what clients were told is so, and what they could not be told is looked up, never guessed."""

import json
from collections import defaultdict
from datetime import timedelta
from uuid import UUID

from verify.report import Result
from verify.rows import Facts, Key, Order
from verify.told import Record, Told

KEY_RETENTION = timedelta(days=7)  # the services forget keys after this
NO_RECORD = "no record of clients' requests: give one with --told FILE"


def check_told(facts: Facts, record: Record | None) -> Result:
    """1. Every order id a client got with 202 exists; one order per idempotency key."""
    result = Result(1, "told", {"keys": len(facts.keys)})
    _check_keys(facts, result)
    if record is None:
        result.remark = NO_RECORD
        return result
    accepted = [told for told in record if told.accepted]
    result.counts["answers of 202"] = len(accepted)
    result.blame(
        "told 202, but there is no such order", {t.order_id for t in accepted if t.order_id not in facts.orders}
    )
    result.blame("one key was told different orders", _ambiguous(accepted))
    result.blame("told 202, but it is not what was ordered", _altered(accepted, facts))
    result.blame("refused, and yet there is an order", _ghosts(record, facts))
    return result


def check_indeterminate(facts: Facts, record: Record | None) -> Result:
    """9. A request without an answer is indeterminate until it is looked up."""
    result = Result(9, "indeterminate")
    if record is None:
        return Result(9, "indeterminate", asked=False, remark=NO_RECORD)
    answered = {told.identity for told in record if told.accepted}  # a refusal of a later request says nothing of it
    unknown = {told.identity: told for told in record if told.indeterminate and told.identity not in answered}
    found = [(told, facts.keys[identity]) for identity, told in unknown.items() if identity in facts.keys]
    result.counts = {
        "without an answer": sum(told.indeterminate for told in record),
        "answered later": len({told.identity for told in record if told.indeterminate} & answered),
        "made an order": len(found),
        "made none": len(unknown) - len(found),
    }
    result.blame("its key is taken, but there is no order", {t.key for t, k in found if k.order_id not in facts.orders})
    made = [told.model_copy(update={"order_id": key.order_id}) for told, key in found]
    result.blame("it made another order than was asked for", _altered(made, facts))
    return result


def _check_keys(facts: Facts, result: Result) -> None:
    """What the database alone can tell."""
    orders, keys = facts.orders, facts.keys.values()
    result.blame(
        "its key is stored, but there is no such order", {k.order_id for k in keys if k.order_id not in orders}
    )
    result.blame("its key is stored with an answer about something else", {_name(k) for k in keys if _strays(k)})
    used: defaultdict[UUID, int] = defaultdict(int)
    for key in keys:
        used[key.order_id] += 1
    result.blame("it has more than one key", {id_ for id_, count in used.items() if count > 1})
    kept = facts.now - KEY_RETENTION
    result.blame("it has no key", {o.id for o in orders.values() if o.created_at > kept and o.id not in used})


def _strays(key: Key) -> bool:
    try:
        return UUID(json.loads(key.answer or b"null")["id"]) != key.order_id
    except (ValueError, TypeError, KeyError, AttributeError):
        return True


def _name(key: Key) -> str:
    return f"key {key.key} of customer {key.customer}, order {key.order_id}"


def _ambiguous(accepted: Record) -> set[str]:
    orders: defaultdict[tuple[str, str], set[UUID | None]] = defaultdict(set)
    for told in accepted:
        orders[told.identity].add(told.order_id)
    return {
        f"key {key} of customer {customer}: {', '.join(sorted(map(str, ids)))}"
        for (customer, key), ids in orders.items()
        if len(ids) > 1
    }


def _altered(accepted: Record, facts: Facts) -> set[UUID | None]:
    return {told.order_id for told in accepted if (order := _order(told, facts)) and not _agrees(told, order)}


def _agrees(told: Told, order: Order) -> bool:
    items = {item["sku"]: item["quantity"] for item in json.loads(order.items)}
    return told.items == items and told.customer == order.customer


def _ghosts(record: Record, facts: Facts) -> set[str]:
    """Orders under keys whose every request was refused."""
    refused = {told.identity for told in record} - {t.identity for t in record if t.accepted or t.indeterminate}
    return {_name(facts.keys[identity]) for identity in refused if identity in facts.keys}


def _order(told: Told, facts: Facts) -> Order | None:
    return facts.orders.get(told.order_id) if told.order_id else None
