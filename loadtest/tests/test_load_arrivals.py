"""Arrivals come when they are due, whatever came before; the same seed brings the same visitors."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import fmean, pstdev

import pytest
from load_kit import plan

from load.arrivals import Phase, arrivals, rate_at
from load.errors import LoadError
from load.profiles import PROFILES, Mix, Shelf, capacity_for, fitted, named
from load.visits import visit


def test_constant_arrivals_are_evenly_spaced() -> None:
    assert list(arrivals([Phase(4, 2)], "constant", "1")) == pytest.approx([n / 4 for n in range(1, 8)])


def test_poisson_arrivals_have_the_rate_and_the_scatter_of_independent_people() -> None:
    due = list(arrivals([Phase(50, 200)], "poisson", "1"))
    gaps = [after - before for before, after in pairwise(due)]
    assert len(due) == pytest.approx(50 * 200, rel=0.05)
    assert pstdev(gaps) == pytest.approx(fmean(gaps), rel=0.1)


def test_a_phase_has_its_own_rate_and_a_break_has_nobody() -> None:
    due = list(arrivals([Phase(10, 10), Phase(0, 5), Phase(100, 10)], "poisson", "2"))
    counts = Counter("first" if at < 10 else "break" if at < 15 else "last" for at in due)
    assert counts["break"] == 0
    assert counts["first"] == pytest.approx(100, rel=0.3)
    assert counts["last"] == pytest.approx(1000, rel=0.1)


@pytest.mark.parametrize("spacing", ["constant", "poisson"])
def test_the_seed_decides(spacing: str) -> None:
    first, again, other = (list(arrivals([Phase(9, 9)], spacing, seed)) for seed in "112")  # type: ignore[arg-type]
    assert first == again
    assert spacing == "constant" or first != other


def test_the_rate_is_that_of_the_phase() -> None:
    phases = [Phase(1, 10), Phase(5, 10)]
    assert [rate_at(phases, at) for at in (0, 9.9, 10, 19.9, 20)] == [1, 1, 5, 5, 0]


def test_a_visitor_is_the_same_however_often_and_in_whatever_order_he_is_asked(tmp_path: Path) -> None:
    made = plan(tmp_path)
    assert [visit(made, n) for n in (3, 1, 2)] == [visit(made, n) for n in (3, 1, 2)]
    assert visit(made, 3) != visit(made.model_copy(update={"seed": "2"}), 3)


def test_visitors_do_what_the_mix_says(tmp_path: Path) -> None:
    mix, shelf = Mix(browses_per_order=3, cards={"tok_ok": 3, "tok_slow": 1}), Shelf(hot=2, hot_share=0.8)
    visits = [visit(plan(tmp_path, mix=mix, shelf=shelf), number) for number in range(4000)]
    ordering = [one for one in visits if one.card]
    hot = [one for one in visits if one.sku in ("load-0", "load-1")]
    assert len(ordering) / len(visits) == pytest.approx(0.25, abs=0.03)
    assert len([one for one in ordering if one.card == "tok_slow"]) / len(ordering) == pytest.approx(0.25, abs=0.06)
    assert len(hot) / len(visits) == pytest.approx(0.8, abs=0.03)
    assert len({one.key for one in visits}) == len(visits)


def test_a_profile_is_fitted_to_the_capacity_and_the_time_there_is() -> None:
    surge = fitted(PROFILES["surge"], capacity=100, seconds=50)
    assert surge.phases == (Phase(15, 10), Phase(150, 30), Phase(15, 10))
    assert fitted(PROFILES["surge"], capacity_for(PROFILES["surge"], 15), 50).phases[1].per_second == pytest.approx(150)
    assert replace(surge, phases=PROFILES["surge"].phases) == PROFILES["surge"]


def test_a_profile_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(LoadError, match="there is no profile 'storm': choose one of smoke, steady, ramp"):
        named("storm")
