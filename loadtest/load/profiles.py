"""The kinds of load, each a few lines. Rates are shares of what the stack was measured to carry just before."""

from dataclasses import dataclass, field, replace

from load.arrivals import Phase
from load.errors import LoadError

TOKENS = {"tok_ok": 86, "tok_declined": 6, "tok_down_once": 6, "tok_slow": 2}


@dataclass(frozen=True)
class Mix:
    """What visitors do; shares from 0 to 1.

    `cards`: payment tokens and how often each is used. `watched`: of the orders, those polled to their end.
    """

    browses_per_order: float = 1.0
    cards: dict[str, int] = field(default_factory=lambda: dict(TOKENS))
    watched: float = 0.2
    cancelled: float = 0.05
    timelines: float = 0.05

    @property
    def looks_per_order(self) -> float:
        """Requests beside placing the order, about: a visit of three, three polls, and the rest."""
        return 3 * self.browses_per_order + 3 * self.watched + self.cancelled + self.timelines


@dataclass(frozen=True)
class Shelf:
    """What there is to buy: `hot` of the products get `hot_share` of the orders.

    `on_sale`: the hot one is new and has fewer pieces than visitors want, `stock_share` of them.
    """

    products: int = 20
    hot: int = 2
    hot_share: float = 0.2
    on_sale: bool = False
    stock_share: float = 0.5


@dataclass(frozen=True)
class Gates:
    """What a run must keep to pass, beside every invariant; times in seconds, shares from 0 to 1.

    `errors`: requests without an answer, or with 500 and more (503 is `refused`), of all requests. `rejected`: 4xx but
    429, of the orders. `drops`: whether the generator itself may give up. `None`: not asked.
    """

    errors: float = 0.0
    refused: float | None = 0.0
    rejected: float | None = 0.0
    place_p95: float | None = 1.0
    place_p99: float | None = 2.5
    complete_p95: float | None = 5.0
    backlog: float = 30.0
    drops: bool = False


@dataclass(frozen=True)
class Profile:
    """`phases` hold shares of the capacity. `stops`: the run ends with the phase in which goodput has fallen."""

    name: str
    what: str
    phases: tuple[Phase, ...]
    mix: Mix = Mix()
    shelf: Shelf = Shelf()
    gates: Gates = Gates()
    stops: bool = False


_STEPS = tuple(Phase(step / 5, 15) for step in range(1, 11))

PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            "smoke",
            "30 s at a third of the capacity: does it work at all",
            (Phase(1 / 3, 30),),
            gates=Gates(place_p95=2.5, place_p99=5.0, complete_p95=15.0),
        ),
        Profile("steady", "five minutes at 60 %: an ordinary busy day", (Phase(0.6, 300),)),
        Profile(
            "ramp",
            "steps of 20 % of the capacity, up until goodput falls: where is the knee",
            _STEPS,
            gates=Gates(
                errors=1.0,
                refused=None,
                place_p95=None,
                place_p99=None,
                complete_p95=None,
                backlog=180,
                drops=True,
            ),
            stops=True,
        ),
        Profile(
            "surge",
            "ten times as many for a minute, all after one product of which there is not enough: on-sale",
            (Phase(0.15, 20), Phase(1.5, 60), Phase(0.15, 20)),
            mix=Mix(browses_per_order=0.5),
            shelf=Shelf(hot=1, hot_share=1.0, on_sale=True),
            gates=Gates(
                errors=0.01,
                refused=None,
                rejected=None,  # what is sold out is a conflict
                place_p95=5.0,
                place_p99=10.0,
                complete_p95=30.0,
                backlog=60,
            ),
        ),
        Profile("soak", "two hours at half the capacity: does anything grow", (Phase(0.5, 7200),)),
        Profile(
            "skew",
            "two minutes at 60 %, nine orders of ten for two products",
            (Phase(0.6, 120),),
            shelf=Shelf(products=50, hot=2, hot_share=0.9),
        ),
        Profile(
            "read-heavy",
            "two minutes at 20 %, twenty visitors who only look for each order",
            (Phase(0.2, 120),),
            mix=Mix(browses_per_order=20),
        ),
    )
}


def named(name: str) -> Profile:
    """Raises `LoadError` naming those that there are."""
    if name not in PROFILES:
        raise LoadError(f"there is no profile '{name}': choose one of {', '.join(PROFILES)}")
    return PROFILES[name]


def capacity_for(profile: Profile, rate: float) -> float:
    """The capacity with which the profile begins with so many orders a second."""
    return rate / profile.phases[0].per_second


def fitted(profile: Profile, capacity: float, seconds: float | None) -> Profile:
    """The same with orders a second for shares; `seconds`, if given, is how long all of it shall take."""
    stretch = seconds / sum(phase.seconds for phase in profile.phases) if seconds else 1.0
    phases = tuple(Phase(phase.per_second * capacity, phase.seconds * stretch) for phase in profile.phases)
    return replace(profile, phases=phases)
