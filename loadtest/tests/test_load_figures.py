"""Figures, verdicts and comparisons say no more than the records do."""

from pathlib import Path
from random import Random
from typing import Any

import pytest
from load_kit import HOLDS, placed, plan, run

from load import capacity, compare, results
from load.arrivals import Phase
from load.compare import Side
from load.errors import LoadError
from load.growth import growth
from load.ledger import Ledger
from load.noise import critical, difference
from load.profiles import Gates
from load.record import Request, Second
from load.report import page
from load.report.chart import Chart, ceiling, number, ticks
from load.sagas import Saga
from load.statistics import over_time, per_second, percentile, slope_per_hour
from load.steps import GoodputFallen
from load.verdict import EXIT, judge

STEADY = [placed(n / 10) for n in range(100)]


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [percentile(values, q) for q in (0, 50, 95, 99, 100)] == [1, 50, 95, 99, 100]
    assert percentile([7.0], 99) == 7
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 50)


def test_seconds_and_stretches_count_what_falls_into_them() -> None:
    assert per_second([0.1, 0.9, 2.5, 9, -1], 3) == [2, 0, 1]
    assert over_time([(0.1, 5), (0.2, 1), (3.5, 2)], 50) == [(0.5, 1), (3.5, 2)]


def test_growth_is_a_slope_and_noise_is_none() -> None:
    assert slope_per_hour([(0, 10), (1800, 12), (3600, 14)]) == pytest.approx(4)
    assert slope_per_hour([(0, 10)]) == 0


def test_a_leak_is_a_slope_and_warming_up_is_none() -> None:
    def sample(at: float, memory: float) -> dict[str, Any]:
        return {"at": at, "memory": {"order": memory}, "connections": 30.0, "database_bytes": 0.0}

    warm = [sample(60 * n, 1e6 * n) for n in range(10)]
    leaking = [sample(60 * n, 1e8 + 1e6 * n) for n in range(10, 40)]
    rows = {row.name: row.per_hour for row in growth({"system": {"samples": warm + leaking}})}
    assert rows["memory of order, MB"] == pytest.approx(60)
    assert rows["database connections"] == 0
    assert growth({"system": {"samples": warm[:5]}}) == []


def test_the_time_of_a_request_begins_when_it_was_due(tmp_path: Path) -> None:
    found = run(tmp_path / "late", [placed(n / 10, seconds=2.0) for n in range(100)])
    assert found["place"]["p50"] == 2.0
    assert found["by_name"][results.PLACE]["service_p50"] == 1.0


def test_a_good_run_passes(tmp_path: Path) -> None:
    verdict = run(tmp_path / "good", STEADY)["verdict"]
    assert verdict["outcome"] == "passed", verdict
    assert EXIT["passed"] == 0


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        ({"errors": 0.01}, "requests with 5xx or without an answer"),
        ({"refused": 0.01}, "requests refused (429, 503)"),
        ({"rejected": 0.01}, "orders rejected (4xx but 429)"),
        ({"place": {"p95": 3.0, "p99": 3.0}}, "placing an order, p95"),
        ({"complete": {}}, "completing an order, p95"),
        ({"backlog_seconds": None}, "until the backlog is gone"),
        ({"lost_reads": 1}, "own orders not found after 202"),
    ],
)
def test_each_gate_fails_the_run(tmp_path: Path, spoil: dict[str, Any], named: str) -> None:
    verdict = judge(Gates(), run(tmp_path / "spoilt", STEADY) | spoil, HOLDS)
    assert verdict.outcome == "failed"
    assert named in [check.name for check in verdict.checks if not check.ok]


def test_orders_that_are_found_wrong_are_no_errors_and_no_refusals_but_count(tmp_path: Path) -> None:
    answers = [202, 202, 409, 422, 429, 503, 500, 0]
    found = run(tmp_path / "wrong", [placed(float(n), status=status) for n, status in enumerate(answers)])
    assert (found["rejected"], found["refused"], found["errors"]) == (0.25, 0.25, 0.25)


def test_lateness_is_that_of_visitors_however_few_seconds_were_written_down() -> None:
    busy = [Second(float(n), 10, 0, 3, 0.01, 0.2) for n in range(1, 21)]
    stalled = Second(36.0, 150, 0, 3, 15.0, 0.3)  # nobody was let in for fifteen seconds
    waiting = [Second(36.0 + n, 0, 0, 3, 0.0, 0.0) for n in range(1, 90)]  # until the last visitor has left
    assert results.saturated(results._generator(busy + waiting)) == ""
    found = results._generator([*busy, stalled, *waiting])
    assert "15.00 s late" in results.saturated(found)
    assert found["cpu"] == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("spoil", [{"dropped": 1}, {"cpu_p95": 0.95}, {"lag_p95": 1.0}])
def test_a_generator_that_could_not_keep_up_makes_the_run_invalid(tmp_path: Path, spoil: dict[str, float]) -> None:
    found = run(tmp_path / "weak", STEADY)
    found["generator"] |= spoil
    assert judge(Gates(), found, HOLDS).outcome == "invalid"
    assert judge(Gates(drops=True), found, HOLDS).outcome == "passed"


def test_a_broken_invariant_fails_even_an_invalid_run_and_is_named(tmp_path: Path) -> None:
    found = run(tmp_path / "broken", STEADY)
    found["generator"]["dropped"] = 1
    finding = {"words": "told 202, but there is no such order", "names": ["0193"]}
    broken = {"ok": False, "invariants": [{"number": 1, "name": "told", "findings": [finding]}]}
    verdict = judge(Gates(), found, broken)
    assert verdict.outcome == "failed"
    assert "invariant 1 (told): told 202, but there is no such order: 0193" in "\n".join(verdict.lines)


def test_without_verify_nothing_is_proved(tmp_path: Path) -> None:
    assert judge(Gates(), run(tmp_path / "unchecked", STEADY), None).outcome == "invalid"


def test_the_knee_is_the_last_step_that_was_carried() -> None:
    steps = [{"offered": n, "carried": n not in (3, 4)} for n in range(1, 6)]
    assert results.knee(steps) == steps[1]
    assert results.knee([]) is None
    assert results.knee_in_words(steps) == "the knee: 2.0 orders a second are the most that were carried"


def test_a_step_is_carried_when_its_orders_end_as_fast_as_they_came_however_long_each_takes(tmp_path: Path) -> None:
    phases = tuple(Phase(rate, 10.0) for rate in (2, 4, 8))
    dues = [start + n / rate for start, rate in ((0, 2), (10, 4), (20, 8)) for n in range(10 * rate)]
    load = plan(tmp_path, phases=phases)
    for last_takes, carried in ((4.0, [True, True, True]), (9.0, [True, True, False])):
        orders = [Saga(due, 4.0 if due < 20 else last_takes, "confirmed", "") for due in dues]
        steps = results._steps(load, [placed(due) for due in dues], orders, [])
        assert [step["carried"] for step in steps] == carried


def test_a_step_for_which_visitors_were_dropped_is_not_carried(tmp_path: Path) -> None:
    load = plan(tmp_path, phases=(Phase(1, 10.0), Phase(1, 10.0)))
    dues = [float(n) for n in range(20)]
    orders = [Saga(due, 0.5, "confirmed", "") for due in dues]
    for second, carried in ((10.01, [False, True]), (11.01, [True, False])):  # the tenth second, and the eleventh
        dropped = [Second(second, 2, 1, 3, 0.0, 0.1)]
        steps = results._steps(load, [placed(due) for due in dues], orders, dropped)
        assert [step["carried"] for step in steps] == carried


def test_what_is_inside_the_noise_is_called_no_difference() -> None:
    random = Random(1)  # noqa: S311  a sequence that can be repeated
    called = [
        difference([random.gauss(100, 10) for _ in range(4)], [random.gauss(100, 10) for _ in range(4)]).call
        for _ in range(1000)
    ]
    assert sum(call != "inside the noise" for call in called) <= 20


def test_what_is_outside_of_the_noise_is_called() -> None:
    assert difference([100, 101, 99], [120, 121, 119]).call == "higher"
    assert difference([120, 121, 119], [100, 101, 99]).call == "lower"
    assert difference([5, 5, 5], [5, 5, 5]).call == "inside the noise"
    assert difference([100, 101], [200, 201, 202]).call == "too few repeats"
    assert critical(4.9) == critical(4) > critical(100) > 2.5


def sides(directory: Path, change: float, **plan: Any) -> tuple[Side, Side]:
    found = []
    for side, seconds in (("a", 0.1), ("b", 0.1 + change)):
        names = [directory / f"{side}{repeat}" for repeat in range(3)]
        for repeat, name in enumerate(names):
            mine = [request._replace(seconds=seconds + repeat / 1000) for request in STEADY]
            run(name, mine, **(plan if side == "b" else {}))
        found.append(Side(side, tuple(names)))
    return found[0], found[1]


def test_a_slower_side_is_found_out_and_the_rest_is_not(tmp_path: Path) -> None:
    a, b = sides(tmp_path, change=0.2)
    rows = {row.name: row.found.call for row in compare.compare(a, b)}
    assert rows["place, p95"] == "higher"
    assert rows["CPU of an order, order"] == "inside the noise"
    assert "higher" in "\n".join(compare.lines(compare.compare(a, b), a, b))
    assert "<polyline" in compare.page(compare.compare(a, b), a, b)


def test_runs_of_different_profiles_are_not_compared(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"different profiles \(steady, surge\)"):
        compare.compare(*sides(tmp_path, change=0, profile="surge"))


def test_runs_at_different_rates_are_not_compared(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"begin with 10\.0 to 11\.0 orders a second, .*: measure both sides with"):
        compare.compare(*sides(tmp_path, change=0, phases=(Phase(11, 10),)))


def test_the_report_shows_what_was_measured_and_nothing_raw(tmp_path: Path) -> None:
    requests = [*STEADY, Request(5.0, "GET /<script>", 200, 0.1, 0.1, 7)]
    run(tmp_path / "shown", requests, phases=((10, 5), (10, 5)))
    text = page.write(tmp_path / "shown").read_text()
    assert ">passed</span>" in text
    assert "placing, p95<b>50 ms</b>" in text
    assert "&lt;script&gt;" in text
    assert "<script" not in text
    assert text.count("<polyline") >= 8


def test_axes_are_round() -> None:
    assert [ceiling(value) for value in (0, 0.7, 1, 11, 24, 26, 510)] == [1, 1, 1, 20, 25, 50, 1000]
    assert ticks(30)[:3] == [0, 5, 10]
    assert [number(value) for value in (0.25, 3, 1500, 20_000, 2_000_000)] == ["0.25", "3", "1500", "20k", "2M"]
    flat = Chart("t", "", {"l": [(0, 1.0), (10, 1.0)]}, 10, [(2, 4, "freeze payment")]).svg
    assert "freeze payment" in flat


def test_capacity_multiplies_the_cost_of_an_order(tmp_path: Path) -> None:
    run(tmp_path / "costs", STEADY)
    said = "\n".join(capacity.lines(tmp_path / "costs", orders_per_day=864_000, peak_factor=3))
    assert "30.0 a second at the peak" in said
    assert "order             0.50   (10.00 ms an order, so 1 instances)" in said  # 30 x 10 ms / 60 %
    assert "disk in a month, if nothing is dropped: 129.6 GB" in said  # 5 KB x 864,000 x 30
    assert "saturated first: the machine, with its 2 cores: 34 orders a second, enough" in said


def test_a_ramp_ends_with_the_step_in_which_visitors_no_longer_get_what_they_came_for(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        steps = GoodputFallen(plan(tmp_path, phases=((10, 10), (20, 10), (30, 10)), stopping=True), ledger)
        ledger.due, ledger.in_flight = 100, 5
        assert not steps.reached(9.9)
        assert not steps.reached(10.1)
        ledger.due, ledger.in_flight = 300, 40
        assert not steps.reached(20.1)  # 35 more inside, of 200: they may still get it
        ledger.due, ledger.answers["refused"] = 600, 150
        assert steps.reached(30.1)
