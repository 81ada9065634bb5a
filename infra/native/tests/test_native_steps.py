"""Doing things side by side: each after those it follows, and one failure ends them all."""

import threading

import pytest

from native.steps import Step, run_all


def test_a_step_runs_after_those_it_follows() -> None:
    done: list[str] = []
    steps = [
        Step("c", "", lambda _: done.append("c"), ("b",)),
        Step("b", "", lambda _: done.append("b"), ("a",)),
        Step("a", "", lambda _: done.append("a")),
    ]
    run_all(steps, lambda _: None)
    assert done == ["a", "b", "c"]


def test_steps_that_follow_nobody_run_side_by_side() -> None:
    both = threading.Barrier(2, timeout=10)

    def meet(_: threading.Event) -> None:
        both.wait()

    run_all([Step("a", "", meet), Step("b", "", meet)], lambda _: None)


def test_every_step_is_reported_with_what_it_waited_for() -> None:
    lines: list[str] = []
    run_all([Step("redis", "answers PING", lambda _: None)], lines.append)
    assert [line.split()[:3] for line in lines] == [["redis", "answers", "PING"]]


def test_a_failure_reaches_the_caller_and_stops_the_others() -> None:
    done: list[str] = []

    def fail(_: threading.Event) -> None:
        raise ValueError("no")

    steps = [
        Step("bad", "", fail),
        Step("after", "", lambda _: done.append("after"), ("bad",)),
        Step("beside", "", lambda failed: done.append("told") if failed.wait(10) else None),
    ]
    with pytest.raises(ValueError, match="no"):
        run_all(steps, lambda _: None)
    assert done == ["told"]


def test_a_report_that_fails_does_not_hang() -> None:
    def broken(_: str) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run_all([Step("a", "", lambda _: None), Step("b", "", lambda _: None, ("a",))], broken)
