"""Which partition an order lives in: chosen once, when it is placed, and copied by everyone downstream.

So any strategy keeps an order's events in order, and the number of partitions can change without moving live orders.
"""

from typing import Protocol
from uuid import UUID


class Partitioner(Protocol):
    """Chooses a partition for a new order."""

    def __call__(self, order_id: UUID, partitions: int) -> int:
        """A number from 0 to `partitions - 1`."""
        ...


def hash_partition(order_id: UUID, partitions: int) -> int:
    """Spread evenly by the id's random part (a UUIDv7 begins with the time, which would put neighbours together)."""
    return order_id.int % partitions
