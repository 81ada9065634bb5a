"""When visitors arrive: at times that are fixed before the first one is sent, and that wait for no answer.

A generator that sends the next request only when the last one was answered sends none while the server stands still,
and so leaves out what it should have measured ("coordinated omission": Tene, *How NOT to Measure Latency*, 2015).
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Literal, NamedTuple

Spacing = Literal["poisson", "constant"]


class Phase(NamedTuple):
    """So many arrivals a second for so many seconds."""

    per_second: float
    seconds: float


def arrivals(phases: Sequence[Phase], spacing: Spacing, seed: str) -> Iterator[float]:
    """The seconds, from the start, at which somebody arrives; the same for the same seed.

    `poisson`: independent of each other, as people are, so that some come at once. `constant`: evenly spaced.
    """
    random = Random(f"{seed}/arrivals")  # noqa: S311  a choice that can be repeated, not a secret
    start = 0.0
    left = _gap(random, spacing)  # until the next arrival, in arrivals: independent of the rate, which may change
    for phase in phases:
        now, end = start, start + phase.seconds
        while phase.per_second > 0 and now + left / phase.per_second < end:
            now += left / phase.per_second
            yield now
            left = _gap(random, spacing)
        left -= (end - now) * phase.per_second
        start = end


def rate_at(phases: Sequence[Phase], seconds: float) -> float:
    """What the phases ask for at this moment; nothing after their end."""
    for phase in phases:
        if seconds < phase.seconds:
            return phase.per_second
        seconds -= phase.seconds
    return 0.0


def total_seconds(phases: Sequence[Phase]) -> float:
    """How long they take together."""
    return sum(phase.seconds for phase in phases)


def _gap(random: Random, spacing: Spacing) -> float:
    return random.expovariate(1.0) if spacing == "poisson" else 1.0
