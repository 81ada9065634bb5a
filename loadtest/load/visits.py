"""What each visitor wants: a function of the seed and the visitor's number, and of nothing that happens meanwhile."""

from dataclasses import dataclass
from random import Random

from load.plan import Plan

MOST_PIECES = 3


@dataclass(frozen=True)
class Visit:
    """One visitor. Who only looks has no `card`."""

    number: int
    customer: str
    key: str
    sku: str
    quantity: int
    card: str | None
    watches: bool
    regrets: bool
    looks_back: bool

    @property
    def email(self) -> str:
        """Where the mail goes."""
        return f"{self.customer}@mail.example"


def visit(plan: Plan, number: int) -> Visit:
    """The visitor who arrives as this number."""
    random, mix = Random(f"{plan.seed}/{number}"), plan.mix  # noqa: S311  a choice that can be repeated
    orders = random.random() < 1 / (1 + mix.browses_per_order)
    on_sale = plan.shelf.on_sale
    return Visit(
        number=number,
        customer=f"load-{random.randrange(plan.customers)}",
        key=f"{plan.run}-{number}",
        sku=_sku(plan, random),
        quantity=1 if on_sale else random.randint(1, MOST_PIECES),
        card=random.choices(list(mix.cards), list(mix.cards.values()))[0] if orders else None,
        watches=random.random() < mix.watched,
        regrets=random.random() < mix.cancelled,
        looks_back=random.random() < mix.timelines,
    )


def _sku(plan: Plan, random: Random) -> str:
    hot, others = plan.skus[: plan.shelf.hot], plan.skus[plan.shelf.hot :]
    return random.choice(hot if not others or random.random() < plan.shelf.hot_share else others)
