"""From declarations to Grafana's JSON, by its own SDK.

The SDK leaves out panel ids, reference ids and the layout, and hides a legend as soon as its options are set: all four
are set here.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import heatmap, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from observe.boards.panel import Panel, Query

COLUMNS = 24
SOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "quicksand"
FAULTS = "max by (fault, target) (faults_active) > 0"
BUILDERS: dict[str, Any] = {
    "timeseries": timeseries.Panel,
    "stat": stat.Panel,
    "state-timeline": statetimeline.Panel,
    "heatmap": heatmap.Panel,
    "table": table.Panel,
}


@dataclass(frozen=True)
class Board:
    """One dashboard: what it is asked, and its panels in reading order, symptoms first."""

    uid: str
    title: str
    question: str
    panels: Sequence[Panel]


def render(board: Board) -> str:
    """Its JSON."""
    builder = (
        build.Dashboard(board.title)
        .uid(board.uid)
        .description(board.question)
        .tags([TAG])
        .refresh("5s")
        .time("now-15m", "now")
        .timezone("browser")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(build.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(
            build.QueryVariable("service")
            .label("Service")
            .datasource(SOURCE)
            .query("label_values(build_info, service)")
            .include_all(include_all=True)
            .all_value(".*")
            .multi(multi=True)
            .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .current(dashboard.VariableOption(selected=True, text="All", value="$__all"))
        )
        .annotation(
            build.AnnotationQuery()
            .name("Faults")
            .datasource(SOURCE)
            .enable(enable=True)
            .icon_color("rgba(255, 96, 96, 1)")
            .expr(FAULTS)
            .title_format("{{fault}}")
            .text_format("{{fault}} at {{target}}")
            .step("5s")
        )
        .link(
            build.DashboardLink("Dashboards")
            .type(dashboard.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(as_dropdown=False)
            .include_vars(include_vars=True)
            .keep_time(keep_time=True)
        )
    )
    for number, (panel, place) in enumerate(_placed(board.panels), start=1):
        builder = builder.with_panel(_panel(panel, number, place))
    document = json.loads(json.dumps(builder.build(), cls=JSONEncoder))
    return json.dumps(_without_defaults(document), indent=1, sort_keys=True) + "\n"


def _without_defaults(document: dict[str, Any]) -> dict[str, Any]:
    """What the SDK puts in by itself and Grafana 12.1's own schema does not know; later ones hide links with it."""
    for shown in (*document["annotations"]["list"], *document["links"]):
        shown.pop("placement", None)
    for variable in document["templating"]["list"]:
        for name in ("auto", "auto_count", "auto_min"):
            variable.pop(name, None)
    return document


def _placed(panels: Sequence[Panel]) -> list[tuple[Panel, dashboard.GridPos]]:
    """From left to right, in rows as high as their highest panel."""
    placed, x, y, height = [], 0, 0, 0
    for panel in panels:
        if x + panel.width > COLUMNS:
            x, y, height = 0, y + height, 0
        placed.append((panel, dashboard.GridPos(h=panel.height, w=panel.width, x=x, y=y)))
        x, height = x + panel.width, max(height, panel.height)
    return placed


def _panel(panel: Panel, number: int, place: dashboard.GridPos) -> Any:
    builder = (
        BUILDERS[panel.kind]()
        .id(number)
        .title(panel.title)
        .description(panel.normal)
        .unit(panel.unit)
        .datasource(SOURCE)
        .grid_pos(place)
        .thresholds(
            build.ThresholdsConfig()
            .mode(dashboard.ThresholdsMode.ABSOLUTE)
            .steps([dashboard.Threshold(value=value, color=colour) for value, colour in panel.steps])
        )
    )
    if panel.minimum is not None:
        builder = builder.min(panel.minimum)
    if panel.maximum is not None:
        builder = builder.max(panel.maximum)
    if panel.states:
        options = {
            value: dashboard.ValueMappingResult(text=text, color=colour)
            for value, (text, colour) in panel.states.items()
        }
        builder = builder.mappings([dashboard.ValueMap(options=options)])
    for letter, query in zip("ABCDEFGH", panel.queries, strict=False):
        builder = builder.with_target(_query(query, letter, panel.kind))
    return _KINDS[panel.kind](builder, panel)


def _query(query: Query, letter: str, kind: str) -> Any:
    target = prometheus.Dataquery().ref_id(letter).datasource(SOURCE).expr(query.expr).legend_format(query.legend)
    if kind == "table":
        return target.instant().format(PromQueryFormat.TABLE)
    return target.range().format(PromQueryFormat.HEATMAP if _is_histogram(query, kind) else PromQueryFormat.TIME_SERIES)


def _is_histogram(query: Query, kind: str) -> bool:
    return kind == "heatmap" and "_bucket" in query.expr


def _lines(builder: Any, panel: Panel) -> Any:
    limits = common.GraphThresholdsStyleMode.DASHED if len(panel.steps) > 1 else common.GraphThresholdsStyleMode.OFF
    builder = (
        builder.legend(_legend())
        .tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
        .line_width(2)
        .fill_opacity(60 if panel.stacked else 8)
        .show_points(common.VisibilityMode.NEVER)
        .thresholds_style(common_builders.GraphThresholdsStyleConfig().mode(limits))
    )
    if panel.stacked:
        builder = builder.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL))
    return builder


def _stat(builder: Any, panel: Panel) -> Any:
    return (
        builder.graph_mode(common.BigValueGraphMode.AREA)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
        .color_mode(common.BigValueColorMode.BACKGROUND if len(panel.steps) > 1 else common.BigValueColorMode.VALUE)
    )


def _states(builder: Any, panel: Panel) -> Any:
    return builder.legend(_legend()).show_value(common.VisibilityMode.AUTO).merge_values(merge_values=True)


def _heat(builder: Any, panel: Panel) -> Any:
    return (
        builder.calculate(calculate=False)
        .color(heatmap.HeatmapColorOptions().mode(heatmap_models.HeatmapColorMode.SCHEME).scheme("Oranges"))
        .y_axis(heatmap.YAxisConfig().unit(panel.unit))
        .show_legend()
    )


def _table(builder: Any, panel: Panel) -> Any:
    return builder.cell_options(common.TableAutoCellOptions())


def _legend() -> Any:
    return (
        common_builders.VizLegendOptions()
        .show_legend(show_legend=True)
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
    )


_KINDS: dict[str, Any] = {
    "timeseries": _lines,
    "stat": _stat,
    "state-timeline": _states,
    "heatmap": _heat,
    "table": _table,
}
