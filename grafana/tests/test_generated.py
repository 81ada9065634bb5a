"""What is committed is what the declarations say, and neither knows a metric that the other does not."""

import json
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from observe import catalogue, rules, slos
from observe.boards import BOARDS
from observe.boards.kit import FAULTS
from observe.declared import declared
from observe.foreign import FOREIGN
from observe.generated import ROOT, files, stale
from observe.promql import family, names

RECORDED = {"queue:messages_ready:partition", "service:up:count"}


def expressions() -> list[str]:
    """Everything that Prometheus is ever asked."""
    panels = [query.expr for board in BOARDS for panel in board.panels for query in panel.queries]
    alerts = [alert.expr for alert in rules.everything()]
    recording = [str(rule["expr"]) for group in slos.recording() for rule in group["rules"]]  # type: ignore[attr-defined]
    return [*panels, *alerts, *recording, rules.DEPTH, rules.INSTANCES, FAULTS]


def used() -> set[str]:
    """The metrics they read, without those that are recorded from others."""
    histograms = catalogue.histograms()
    found = {family(name, histograms) for expr in expressions() for name in names(expr)}
    return {name for name in found if not name.startswith("slo:")} - RECORDED


def test_what_is_committed_is_what_is_declared() -> None:
    for path, text in files().items():
        assert (ROOT / path).read_text() == text, f"{path} is not what it should be: python -m observe generate"
    assert stale() == []


def test_every_metric_that_is_read_is_in_the_catalogue() -> None:
    assert used() - catalogue.known() == set()


def test_every_metric_in_the_catalogue_is_on_a_panel_or_in_a_rule() -> None:
    assert catalogue.known() - used() == set()


def test_names_follow_prometheus() -> None:
    for metric in declared():
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.meaning.endswith("."), f"{metric.name} is not described by a sentence"
        if metric.kind == "histogram" and metric.name not in ("consumer_batch_size_events", "timeline_harvest_ratio"):
            assert metric.name.endswith("_seconds"), metric.name
        assert not {"id", "order_id", "customer", "subject"} & set(metric.labels), metric.name
    assert len({metric.name for metric in FOREIGN}) == len(FOREIGN)


def test_the_sdk_reads_its_own_dashboards_back() -> None:
    for path, text in files().items():
        if path.endswith(".json"):
            document = json.loads(text)
            read = json.loads(json.dumps(Dashboard.from_json(document), cls=JSONEncoder))
            assert outline(read) == outline(document), path


def outline(document: dict[str, Any]) -> list[Any]:
    """What would be lost first: panels, their queries and places."""
    return [
        (panel["id"], panel["type"], panel["gridPos"], [target["expr"] for target in panel["targets"]])
        for panel in document["panels"]
    ]
