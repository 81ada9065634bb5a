"""The retry budget: retries are a share of the calls, so that they cannot multiply the load of what is failing already.

A token bucket that calls fill and retries empty. After the SRE book's *Handling Overload* and Finagle's `RetryBudget`.
"""

SHARE = 0.1
RESERVE = 10.0  # retries in hand: a quiet service may retry, too


class RetryBudget:
    """A tenth of the calls may be repeats."""

    def __init__(self) -> None:
        self._tokens = RESERVE

    def deposit(self) -> None:
        """A first attempt was made."""
        self._tokens = min(RESERVE, self._tokens + SHARE)

    def withdraw(self) -> bool:
        """Whether one retry can be afforded; it is then paid for."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
