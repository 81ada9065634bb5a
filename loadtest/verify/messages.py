"""Invariants 6, 7 and 10: nothing is left over, nothing went backwards, and every event reached every subscriber."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from uuid import UUID

from verify.report import Result
from verify.rows import Backward, Event, Facts, Parked


def check_leftovers(facts: Facts, explained: Collection[str] = ()) -> Result:
    """6. Outboxes and effects empty; parked and dead letters zero, or explained by naming them or their order."""
    result = Result(6, "leftovers")
    found: defaultdict[str, list[str]] = defaultdict(list)
    for service, traffic in facts.traffic.items():
        for left in traffic.leftovers:
            found[f"{service}: {left.what}"].append(left.name)
    for words, names in found.items():
        result.blame(words, names)
    parked = [(service, row) for service, traffic in facts.traffic.items() for row in traffic.parked]
    unexplained = [(service, row) for service, row in parked if not _is_explained(row, explained)]
    shown = [f"{service}: {row.type} {row.id} of order {row.subject}: {row.reason}" for service, row in unexplained]
    result.blame("parked: a person must look (python -m chassis parked list ..)", shown)
    dead = facts.depths.dead
    result.blame("dead letters", [f"{count} in {queue}" for queue, count in dead.items()])
    result.counts = {
        "unpublished or unperformed": sum(map(len, found.values())),
        "parked": len(parked),
        "explained": len(parked) - len(unexplained),
        "dead letters": sum(dead.values()),
    }
    return result


def check_sequence(facts: Facts, explained: Collection[str] = ()) -> Result:
    """7. Per (consumer, source, order) the event sequence never went backwards, but where that is explained.

    An event that was lost and published again by hand may come after later ones of its order.
    """
    result = Result(7, "sequence")
    backward = [(consumer, row) for consumer, traffic in facts.traffic.items() for row in traffic.backward]
    shown = [
        f"{consumer} handled {row.sequence} of {row.source} after {row.before}: event {row.id} of order {row.subject}"
        for consumer, row in backward
        if not _is_explained(row, explained)
    ]
    result.counts = {
        "events handled": sum(len(traffic.received) for traffic in facts.traffic.values()),
        "backwards": result.blame("an event of an order was handled before an earlier one", shown),
        "explained": len(backward) - len(shown),
    }
    return result


def excused_orders(facts: Facts, explained: Collection[str]) -> frozenset[str]:
    """Orders of which something is parked that is explained."""
    parked = (row for traffic in facts.traffic.values() for row in traffic.parked)
    return frozenset(str(row.subject) for row in parked if _is_explained(row, explained))


def check_deliveries(facts: Facts, excused: Collection[str] = ()) -> Result:
    """10. Every published event x every declared subscriber has exactly one inbox, parked or dead-letter row.

    And what is in an inbox was not forgotten, where a later expiry would hide it; unless its order is excused.
    """
    result = Result(10, "deliveries")
    received = {service: {event.id: event for event in traffic.received} for service, traffic in facts.traffic.items()}
    set_aside = {service: {row.id for row in traffic.parked} for service, traffic in facts.traffic.items()}
    due: dict[str, set[UUID]] = {service: set() for service in facts.traffic}
    lost = 0
    for publisher, traffic in facts.traffic.items():
        by_type: defaultdict[str, list[Event]] = defaultdict(list)
        for event in traffic.published:
            by_type[event.type].append(event)
        for type_, events in by_type.items():
            listeners = facts.subscribers[publisher].get(type_, frozenset())
            if not listeners:
                result.blame(f"{publisher} publishes {type_}, which has no declared subscriber", _shown(events))
            for listener in sorted(listeners):
                due[listener].update(event.id for event in events)
                missing = [e for e in events if e.id not in received[listener] and e.id not in set_aside[listener]]
                lost += result.blame(f"{listener} never got {type_}", _shown(missing))
    for service, handled in received.items():
        strange = [event for id_, event in handled.items() if id_ not in due[service]]
        result.blame(f"{service} handled what nobody published for it", _shown(strange))
    _check_versions(facts, result)
    forgotten = [row for row in facts.forgotten if row.name.removeprefix("order ") not in excused]
    for words in sorted({row.what for row in forgotten}):
        result.blame(words, [row.name for row in forgotten if row.what == words])
    result.counts = {
        "events": sum(len(traffic.published) for traffic in facts.traffic.values()),
        "deliveries due": sum(map(len, due.values())),
        "lost": lost,
        "repeated": sum(traffic.repeated for traffic in facts.traffic.values()),
    }
    return result


def _is_explained(row: Parked | Backward, explained: Collection[str]) -> bool:
    """Whether it or its order is named."""
    return not {str(row.id), str(row.subject)}.isdisjoint(explained)


def _check_versions(facts: Facts, result: Result) -> None:
    """An aggregate counts what it emitted; fewer events than that have been lost before they were published."""
    emitted = {
        "order": Counter({row.id: row.version for row in facts.orders.values()}),
        "payment": Counter({row.id: row.version for row in facts.payments.values()}),
        "notification": Counter[UUID](),
    }
    for row in facts.notifications.values():
        emitted["notification"][row.order_id] += row.version
    for service, versions in emitted.items():
        kept = Counter(event.subject for event in facts.traffic[service].published)
        wrong = [
            f"order {id_}: {count} emitted, {kept[id_]} in the outbox"
            for id_, count in versions.items()
            if count != kept[id_] and id_ >= facts.since
        ]
        result.blame(f"{service}'s outbox does not hold what was emitted", wrong)
        nobody = [f"order {id_}" for id_ in kept if id_ not in versions]
        result.blame(f"{service} published about an order it does not know", nobody)


def _shown(events: Iterable[Event]) -> list[str]:
    return [f"{event.type} {event.id} of order {event.subject}" for event in events]
