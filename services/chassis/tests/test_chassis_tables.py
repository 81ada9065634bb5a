"""State tables, and the choice of a partition."""

from collections import Counter
from uuid import UUID, uuid4

import pytest

from chassis.events import uuid7
from chassis.parking import ParkError
from chassis.partitioning import hash_partition
from chassis.transitions import Table, Verdict, advance

TABLE: Table = {
    (None, "made"): "new",
    ("new", "paid"): "done",
    ("new", "seen"): Verdict.RECORD,
    ("done", "paid"): Verdict.IGNORE,
    ("done", "made"): Verdict.PARK,
}


def test_a_pair_leads_to_its_next_state() -> None:
    assert advance(TABLE, None, "made") == "new"
    assert advance(TABLE, "new", "paid") == "done"


@pytest.mark.parametrize(("state", "event"), [("new", "seen"), ("done", "paid")])
def test_what_is_recorded_or_ignored_changes_nothing(state: str, event: str) -> None:
    assert advance(TABLE, state, event) is None


def test_what_is_impossible_is_parked_with_a_reason() -> None:
    with pytest.raises(ParkError, match="made does not go with state done: the order's own words"):
        advance(TABLE, "done", "made", "the order's own words")


def test_a_pair_that_is_not_in_the_table_is_a_mistake_and_never_passed_over() -> None:
    with pytest.raises(KeyError):
        advance(TABLE, "new", "unheard of")


@pytest.mark.parametrize("partitions", [1, 4, 7, 64])
def test_orders_are_spread_evenly_over_all_partitions_even_when_placed_at_once(partitions: int) -> None:
    placed = [uuid7() for _ in range(partitions * 500)]
    counts = Counter(hash_partition(order, partitions) for order in placed)
    assert set(counts) == set(range(partitions))
    assert max(counts.values()) < 2 * min(counts.values())


def test_an_order_always_lives_in_the_same_partition() -> None:
    order = uuid4()
    assert hash_partition(order, 4) == hash_partition(UUID(str(order)), 4)
