"""The panel types that the dashboards use, drawn on axes of their own."""

import math
from datetime import UTC
from typing import Any

from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from observe.preview import words
from observe.preview.prometheus import PreviewError, Series, Window

Lines = list[tuple[str, Series]]  # with their names
COLOURS = ("#3274d9", "#e0752d", "#56a64b", "#a352cc", "#e02f44", "#f2cc0c", "#37872d", "#1f9ed1", "#8f3bb8", "#96551e")
NAMED = {"green": "#56a64b", "orange": "#f2952b", "red": "#e02f44", "blue": "#3274d9"}
DAY_SECONDS = 86_400
GREY, FRAME, BAND = "#6b7280", "#d8dbe0", "#ff6060"
TICKS_POINTS = 9
BOLD_INCHES = 0.085  # a character's width in a bar
STRIP_INCHES = 0.06  # above a heatmap, where bands would change its colours
THICK_INCHES = 0.45  # the thickest bar of a state timeline: few rows need not fill their panel


def panel(axes: Axes, what: dict[str, Any], lines: Lines, window: Window) -> None:
    """Draw it. Raises `PreviewError` for a type that is not known here."""
    kinds = {"timeseries": _lines, "stat": _stat, "state-timeline": _states, "heatmap": _heat, "table": _table}
    if what["type"] not in kinds:
        raise PreviewError(f"panel '{what['title']}' is a {what['type']}, which the preview cannot draw")
    kinds[what["type"]](axes, what, lines)
    if what["type"] in ("timeseries", "state-timeline", "heatmap"):
        axes.set_xlim(_when(window.start), _when(window.end))
        ticks = dates.MinuteLocator(interval=_apart(window))  # type: ignore[no-untyped-call]  # the library's own
        clock = dates.DateFormatter("%H:%M", tz=UTC)  # type: ignore[no-untyped-call]  # likewise
        axes.xaxis.set_major_locator(ticks)
        axes.xaxis.set_major_formatter(clock)
        axes.tick_params(labelsize=TICKS_POINTS, colors=GREY, length=2)
        for spine in axes.spines.values():
            spine.set_color(FRAME)


def _apart(window: Window) -> int:
    """Minutes between two ticks, so that four to seven fit."""
    minutes = (window.end - window.start) / 60
    return next((apart for apart in (1, 2, 5, 10, 15, 30) if minutes / apart <= 7), 60)


def bands(axes: Axes, kind: str, faults: Lines, window: Window) -> None:
    """What was broken on purpose, and for how long: behind states, and above heatmaps, whose colours would change."""
    for _, series in faults:
        for start, end in spans(series):
            since, until = _when(start), _when(min(end + window.step, window.end))
            if kind == "heatmap":
                strip = 1 + STRIP_INCHES / _inches_high(axes)
                axes.axvspan(since, until, ymin=1, ymax=strip, color=BAND, alpha=0.8, lw=0, clip_on=False)
                for edge in (since, until):
                    axes.axvline(edge, color=BAND, lw=0.8, ls=":")
            else:
                axes.axvspan(since, until, color=BAND, alpha=0.12, lw=0, zorder=0.5)


def spans(series: Series) -> list[tuple[float, float]]:
    """From when to when it has a value."""
    found: list[tuple[float, float]] = []
    step = series.times[1] - series.times[0] if len(series.times) > 1 else 0
    for time, value in zip(series.times, series.values, strict=True):
        if math.isnan(value):
            continue
        if found and time - found[-1][1] < 1.5 * step:
            found[-1] = (found[-1][0], time)
        else:
            found.append((time, time))
    return found


def colour_of(number: float, what: dict[str, Any]) -> str:
    """By the thresholds: the last step that it has reached."""
    colour = "green"
    for step in what["fieldConfig"]["defaults"]["thresholds"]["steps"]:
        if step["value"] is None or number >= step["value"]:
            colour = step["color"]
    return NAMED[colour]


def _lines(axes: Axes, what: dict[str, Any], lines: Lines) -> None:
    defaults = what["fieldConfig"]["defaults"]
    unit = defaults["unit"]
    if defaults.get("custom", {}).get("stacking", {}).get("mode") == "normal":
        times = [_when(time) for time in lines[0][1].times]
        values = [[0 if math.isnan(value) else value for value in series.values] for _, series in lines]
        axes.stackplot(times, values, colors=[_colour(n) for n in range(len(lines))], alpha=0.75, lw=0)
    else:
        for number, (_, series) in enumerate(lines):
            times = [_when(time) for time in series.times]
            axes.plot(times, series.values, color=_colour(number), lw=1.4)
    for step in defaults["thresholds"]["steps"][1:]:
        axes.axhline(step["value"], color=NAMED[step["color"]], lw=0.8, ls="--")
    _limits(axes, defaults, lines)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda number, _: words.value(number, unit)))
    axes.grid(axis="y", color="#e5e7eb", lw=0.6)
    axes.set_axisbelow(True)


def _limits(axes: Axes, defaults: dict[str, Any], lines: Lines) -> None:
    """As Grafana: what is there decides, thresholds far above it do not."""
    low = defaults.get("min")
    if low is not None:
        highest = max((value for _, series in lines for value in series.values if math.isfinite(value)), default=0)
        if defaults.get("custom", {}).get("stacking", {}).get("mode") == "normal":
            highest = axes.get_ylim()[1] / 1.05
        axes.set_ylim(low, (highest or defaults.get("max") or 1) * 1.08)


def _stat(axes: Axes, what: dict[str, Any], lines: Lines) -> None:
    unit = what["fieldConfig"]["defaults"]["unit"]
    axes.axis("off")
    if len(lines) == 1:
        _spark(axes, lines[0][1], what)
    for number, (name, series) in enumerate(lines):
        last = [value for value in series.values if math.isfinite(value)][-1]
        middle = 1 - (number + 0.5) / len(lines)
        size = 26 if len(lines) == 1 else 15
        shown = words.value(last, unit)
        if len(lines) == 1:
            axes.text(0.5, 0.62, shown, size=size, weight="bold", color=colour_of(last, what), ha="center", va="center")
            continue
        axes.text(0.62, middle, shown, size=size, weight="bold", color=colour_of(last, what), ha="left", va="center")
        axes.text(0.58, middle, name, size=10, color=GREY, ha="right", va="center")


def _spark(axes: Axes, series: Series, what: dict[str, Any]) -> None:
    """How it came there, along the lower edge."""
    known = [value for value in series.values if math.isfinite(value)]
    low, high = min(0, *known), max(0, *known)
    heights = [0.28 * (value - low) / ((high - low) or 1) for value in series.values]
    places = [number / max(1, len(heights) - 1) for number in range(len(heights))]
    colour = colour_of(known[-1], what)
    axes.fill_between(places, heights, color=colour, alpha=0.18, lw=0)
    axes.plot(places, heights, color=colour, lw=1.2)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)


def _states(axes: Axes, what: dict[str, Any], lines: Lines) -> None:
    options = what["fieldConfig"]["defaults"]["mappings"][0]["options"]
    thick = min(0.76, THICK_INCHES / (_inches_high(axes) / len(lines)))
    for row, (_, series) in enumerate(lines):
        for state in sorted({value for value in series.values if math.isfinite(value)}):
            kept = [value if value == state else math.nan for value in series.values]
            text, colour = options[f"{state:g}"]["text"], options[f"{state:g}"]["color"]
            if colour == "transparent":
                continue
            for start, end in spans(Series(series.labels, series.times, kept)):
                length = _when(end + series.times[1] - series.times[0]) - _when(start)
                axes.broken_barh([(_when(start), length)], (row - thick / 2, thick), color=NAMED[colour])
                room = length / ((series.times[-1] - series.times[0]) / DAY_SECONDS) * _inches_wide(axes)
                if room > BOLD_INCHES * (len(text) + 1):
                    middle = _when(start) + length / 2
                    axes.text(middle, row, text, size=9, color="white", ha="center", va="center", weight="bold")
    _rows(axes, [name for name, _ in lines])


def _heat(axes: Axes, what: dict[str, Any], lines: Lines) -> None:
    rows = _buckets(lines) if any("le" in series.labels for _, series in lines) else sorted(lines, reverse=True)
    values = [[max(0.0, value) if math.isfinite(value) else 0.0 for value in series.values] for _, series in rows]
    times = [_when(time) for time in rows[0][1].times]
    highest = max(max(row) for row in values) or 1
    axes.imshow(
        values,
        aspect="auto",
        origin="lower",
        cmap="Oranges",
        vmin=0,
        vmax=highest,
        interpolation="nearest",
        extent=(times[0], times[-1], -0.5, len(rows) - 0.5),
    )
    _rows(axes, [name for name, _ in rows])
    above = 1 + 1.2 * STRIP_INCHES / _inches_high(axes)
    axes.text(1, above, f"darkest: {highest:.3g}", size=9, color=GREY, ha="right", transform=axes.transAxes)


def _buckets(lines: Lines) -> Lines:
    """A histogram's buckets count everything below: what is in each alone."""
    unit = "s"
    ordered = sorted(lines, key=lambda line: float(line[1].labels["le"]))
    rows: Lines = []
    below = [0.0] * len(ordered[0][1].times)
    for _, series in ordered:
        alone = [value - less for value, less in zip(series.values, below, strict=True)]
        limit = series.labels["le"]
        name = "longer" if limit == "+Inf" else f"to {words.value(float(limit), unit)}"
        rows.append((name, Series(series.labels, series.times, alone)))
        below = series.values
    return rows


def _rows(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.5, len(names) - 0.5)


def _table(axes: Axes, what: dict[str, Any], lines: Lines) -> None:
    unit = what["fieldConfig"]["defaults"]["unit"]
    axes.axis("off")
    columns = sorted({label for _, series in lines for label in series.labels if label != "__name__"})
    ordered = sorted(lines, key=lambda line: -line[1].values[0])
    rows = [
        [*(series.labels.get(column, "") for column in columns), words.value(series.values[0], unit)]
        for _, series in ordered
    ]
    table = axes.table(cellText=rows[:10], colLabels=[*columns, "value"], loc="upper center", cellLoc="left")
    table.auto_set_font_size(False)  # noqa: FBT003  the library's signature
    table.set_fontsize(10)
    table.scale(1, 1.4)
    for cell in table.get_celld().values():
        cell.set_edgecolor("#e5e7eb")


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _inches_high(axes: Axes) -> float:
    return float(axes.get_window_extent().height / axes.figure.dpi)


def _inches_wide(axes: Axes) -> float:
    return float(axes.get_window_extent().width / axes.figure.dpi)


def _when(time: float) -> float:
    """As matplotlib counts: days since 1970."""
    return time / DAY_SECONDS
