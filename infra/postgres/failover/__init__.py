"""Handing the lead over from one Postgres node to the other, through Patroni's REST API. Needs nothing but Python."""

from failover.node import FailoverError, Node
from failover.switch import switch_over

__all__ = ["FailoverError", "Node", "switch_over"]
