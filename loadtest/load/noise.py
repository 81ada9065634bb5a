"""Whether two sets of repeats differ by more than their own noise: Welch's t-test, at one per cent.

One per cent, because a comparison asks it of a dozen figures at once. Fewer than three repeats on a side say nothing
about how much a figure scatters from run to run, so nothing is called a difference then.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import Literal

LEAST_REPEATS = 3
# Two-sided 1 % points of Student's t, by degrees of freedom; between two, the larger value is used.
CRITICAL = {
    1: 63.66, 2: 9.925, 3: 5.841, 4: 4.604, 5: 4.032, 6: 3.707, 7: 3.499, 8: 3.355, 9: 3.250, 10: 3.169, 12: 3.055,
    15: 2.947, 20: 2.845, 30: 2.750, 60: 2.660, 120: 2.617,
}  # fmt: skip

Call = Literal["higher", "lower", "inside the noise", "too few repeats"]


@dataclass(frozen=True)
class Difference:
    """B against A: means, the spread (standard deviation) over repeats, and whether it may be called one."""

    a: float
    b: float
    spread_a: float
    spread_b: float
    call: Call

    @property
    def change(self) -> float | None:
        """Of A; `None` where A is nothing."""
        return self.b / self.a - 1 if self.a else None


def difference(a: Sequence[float], b: Sequence[float]) -> Difference:
    """Compare the same figure of two sets of runs."""
    mean_a, mean_b = fmean(a), fmean(b)
    var_a, var_b = (variance(values) if len(values) > 1 else 0.0 for values in (a, b))
    return Difference(mean_a, mean_b, math.sqrt(var_a), math.sqrt(var_b), _call(a, b, mean_b - mean_a, (var_a, var_b)))


def _call(a: Sequence[float], b: Sequence[float], shift: float, variances: tuple[float, float]) -> Call:
    if min(len(a), len(b)) < LEAST_REPEATS:
        return "too few repeats"
    of_a, of_b = variances[0] / len(a), variances[1] / len(b)
    error = math.sqrt(of_a + of_b)
    freedom = (of_a + of_b) ** 2 / (of_a**2 / (len(a) - 1) + of_b**2 / (len(b) - 1)) if error else 1.0
    if abs(shift) <= critical(freedom) * error:
        return "inside the noise"
    return "higher" if shift > 0 else "lower"


def critical(freedom: float) -> float:
    """The point for these degrees of freedom, never too small."""
    return CRITICAL[max(known for known in CRITICAL if known <= max(1.0, freedom))]
