"""How often the edge asks (haproxy.cfg), and how long a service waits for it to have asked, fit each other."""

import re

from chassis.app import EDGE_FINDS_SECONDS, EDGE_NOTICES_SECONDS
from native.layout import INFRA

UNITS = {"ms": 0.001, "s": 1.0}


def checks() -> dict[str, float]:
    """The times of `default-server`, in seconds, and its counts."""
    config = (INFRA / "edge" / "haproxy.cfg").read_text()
    (line,) = re.findall(r"^ *default-server (.*)", config, re.MULTILINE)
    return {name: float(number) * UNITS.get(unit, 1) for name, number, unit in re.findall(r"(\w+) (\d+)(m?s)?\b", line)}


def test_the_edge_finds_a_service_that_has_just_started_before_it_drops_the_one_stopped_at_that_moment() -> None:
    asks = checks()
    assert asks["rise"] == 1
    dropped_at_the_earliest = EDGE_FINDS_SECONDS + (asks["fall"] - 1) * asks["fastinter"]
    assert 2 * asks["downinter"] < dropped_at_the_earliest  # the one question, and as long for its answer


def test_the_edge_has_dropped_a_service_that_is_stopping_before_that_closes_its_port() -> None:
    asks = checks()
    assert asks["inter"] + (asks["fall"] - 1) * asks["fastinter"] < EDGE_NOTICES_SECONDS
