"""Rules for dashboards that somebody has to read at night."""

import json
import re
from itertools import combinations
from typing import Any

import pytest

from observe import catalogue, rules
from observe.boards import BOARDS
from observe.boards.kit import COLUMNS, render
from observe.generated import ROOT
from observe.promql import STRINGS, family

DOCUMENTS = {board.uid: json.loads(render(board)) for board in BOARDS}
PANELS = [(uid, panel) for uid, document in DOCUMENTS.items() for panel in document["panels"]]
VIEWED = [pytest.param(panel, id=f"{uid}: {panel['title']}") for uid, panel in PANELS]
RANGED = re.compile(r"(?:rate|increase)\s*\(([^()\[\]]*)\[([^\]]*)\]")
PLAIN = re.compile(r"(?<![\w:])([a-zA-Z_:][\w:]*)(?:\{[^{}]*\})?(?!\s*[\w({\[:])")


@pytest.mark.parametrize("panel", VIEWED)
def test_a_panel_says_what_it_shows_and_what_normal_looks_like(panel: dict[str, Any]) -> None:
    assert re.fullmatch(r"[A-Z][\w' -]+", panel["title"]), panel["title"]
    assert panel["description"].endswith("."), "the description says what normal looks like, in sentences"
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    assert defaults["thresholds"]["steps"][0]["value"] is None
    assert panel["datasource"]["uid"] == "${datasource}"
    for target in panel["targets"]:
        assert target["datasource"]["uid"] == "${datasource}"
        assert panel["type"] in ("table", "stat") or target["legendFormat"]
    if panel["type"] in ("timeseries", "state-timeline"):
        assert panel["options"]["legend"]["showLegend"]


@pytest.mark.parametrize("panel", VIEWED)
def test_counters_are_read_only_as_rates(panel: dict[str, Any]) -> None:
    counters, histograms = catalogue.counters(), catalogue.histograms()
    for target in panel["targets"]:
        expr = STRINGS.sub('""', target["expr"])
        for name in PLAIN.findall(RANGED.sub("", expr)):
            assert name not in counters, f"{name} only ever grows: use its rate"
            assert family(name, histograms) not in histograms, f"{name} only ever grows: use its rate"


@pytest.mark.parametrize("panel", VIEWED)
def test_rates_follow_the_zoom(panel: dict[str, Any]) -> None:
    """But where the title or the description says over which time."""
    for target in panel["targets"]:
        for _, window in RANGED.findall(target["expr"]):
            words = panel["description"] + panel["title"]
            assert window == "$__rate_interval" or "minute" in words, f"[{window}]"


def test_ids_are_unique_and_nothing_overlaps() -> None:
    for uid, document in DOCUMENTS.items():
        panels = document["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels), uid
        assert len({panel["title"] for panel in panels}) == len(panels), uid
        for panel in panels:
            assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= COLUMNS, panel["title"]
            references = [target["refId"] for target in panel["targets"]]
            assert len(set(references)) == len(references), panel["title"]
        for one, other in combinations(panels, 2):
            assert not overlap(one["gridPos"], other["gridPos"]), f"{one['title']} and {other['title']}"


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    """Whether two places share a cell."""
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def test_dashboards_share_variables_links_and_annotations() -> None:
    for document in DOCUMENTS.values():
        assert [variable["name"] for variable in document["templating"]["list"]] == ["datasource", "service"]
        assert [link["tags"] for link in document["links"]] == [["quicksand"]]
        assert [annotation["name"] for annotation in document["annotations"]["list"]] == ["Faults"]
        assert document["tags"] == ["quicksand"]


def test_every_alert_leads_to_a_runbook_and_a_dashboard() -> None:
    wanted = set()
    for alert in rules.everything():
        assert alert.board in DOCUMENTS, alert.name
        runbook = ROOT / "docs" / "runbooks" / f"{alert.name}.md"
        text = runbook.read_text()
        assert text.startswith(f"# {alert.name}\n"), alert.name
        for heading in ("What it means", "What a customer feels", "Where to look", "What to do"):
            assert f"## {heading}\n" in text, f"{runbook.name} does not say: {heading}"
        wanted.add(runbook.name)
    assert {file.name for file in (ROOT / "docs" / "runbooks").glob("*.md")} - {"README.md"} == wanted


@pytest.mark.parametrize(
    ("expr", "bare"),
    [
        ("sum(orders_accepted_total)", True),
        ("sum(rate(orders_accepted_total[$__rate_interval]))", False),
        ("saga_duration_seconds_count / 2", True),
        ('rate(a{b="orders_accepted_total"}[5m])', False),
    ],
)
def test_a_counter_outside_a_rate_would_be_found(expr: str, bare: bool) -> None:  # noqa: FBT001  a case of the table
    panel = {"targets": [{"expr": expr}]}
    if bare:
        with pytest.raises(AssertionError, match="only ever grows"):
            test_counters_are_read_only_as_rates(panel)
    else:
        test_counters_are_read_only_as_rates(panel)
