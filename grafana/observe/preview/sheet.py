"""One dashboard as one picture: its panels where Grafana would put them."""

import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from observe.preview import draw, words
from observe.preview.prometheus import Prometheus, Series, Window

Legend: TypeAlias = list[list[tuple[int, str]]]  # rows of names, each with the number of its colour

COLUMNS = 24
WIDTH_INCHES, ROW_INCHES = 19.0, 0.46
HEAD_INCHES = 0.95
LINE_INCHES, LINE_CHARACTERS = 0.2, 250  # of the head's small print
DOTS = 80
LEGEND_LINES = 4
PALETTE = 255  # colours
CHARACTER_INCHES, LEGEND_INCHES = 0.086, 0.2  # of a legend's text
NAME_POINTS, ROW_NAME_INCHES = 9.5, 0.082  # of names in legends, and beside rows
TITLE_POINTS, TITLE_INCHES = 12, 0.107  # and how wide a title's character is then
MOST_FAULTS = 12  # named in the head
ORDERED = ("state-timeline", "heatmap", "table", "stat")  # name their rows themselves
LEFT_INCHES, RIGHT_INCHES, TOP_INCHES, BOTTOM_INCHES = 0.8, 0.15, 0.4, 0.32


class Sheet:
    """Draws one dashboard; `empty` are the titles of the panels without data."""

    def __init__(self, board: dict[str, Any], prometheus: Prometheus, window: Window) -> None:
        self._board = board
        self._prometheus = prometheus
        self._window = window
        self._faults = self._at_work()
        minutes = (window.end - window.start) / 60
        note = f"a preview drawn without Grafana; the last {minutes:.0f} minutes, UTC; red: {_named(self._faults)}"
        self._note = textwrap.wrap(note, LINE_CHARACTERS)
        self._head = HEAD_INCHES + LINE_INCHES * (len(self._note) - 1)
        rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
        self._height = self._head + rows * ROW_INCHES
        self._figure = Figure(figsize=(WIDTH_INCHES, self._height), dpi=DOTS, facecolor="#f4f5f7")
        FigureCanvasAgg(self._figure)
        self.empty: list[str] = []

    def save(self, file: Path) -> None:
        """Draw everything into this PNG. Raises `PreviewError` for what cannot be drawn."""
        at = 1 - 0.3 / self._height
        self._figure.text(0.01, at, self._board["title"], size=17, weight="bold", va="center")
        self._figure.text(0.12, at, self._board["description"], size=11, color=draw.GREY, va="center")
        for row, line in enumerate(self._note):
            below = (0.32 + row * LINE_INCHES) / self._height
            self._figure.text(0.01, at - below, line, size=10, color=draw.GREY, va="center")
        for panel in self._board["panels"]:
            self._panel(panel)
        self._figure.savefig(file)
        with Image.open(file) as picture:
            picture.convert("RGB").quantize(PALETTE, kmeans=2).save(file, optimize=True)  # a third of the size

    def _at_work(self) -> draw.Lines:
        return [
            (words.legend(annotation["textFormat"], series.labels), series)
            for annotation in self._board["annotations"]["list"]
            if annotation.get("expr")
            for series in self._prometheus.over(annotation["expr"], self._window)
        ]

    def _panel(self, panel: dict[str, Any]) -> None:
        lines = self._lines(panel)
        legend = _legend(
            [] if panel["type"] in ORDERED else lines, panel["gridPos"]["w"] / COLUMNS * WIDTH_INCHES - 0.5
        )
        left = LEFT_INCHES
        if panel["type"] in ("state-timeline", "heatmap"):
            left = 0.25 + ROW_NAME_INCHES * max((len(name) for name, _ in lines), default=0)
        if any("le" in series.labels for _, series in lines) and panel["type"] == "heatmap":
            left = LEFT_INCHES + 0.1
        if panel["type"] == "stat":
            left = RIGHT_INCHES
        axes = self._axes(panel, left, len(legend))
        if not lines:
            self.empty.append(panel["title"])
            axes.text(0.5, 0.5, "no data", size=14, color=draw.BAND, ha="center", va="center")
            axes.set_xticks([])
            axes.set_yticks([])
            return
        draw.panel(axes, panel, lines, self._window)
        if panel["type"] not in ("stat", "table"):
            draw.bands(axes, panel["type"], self._faults, self._window)
        self._write(panel, legend)

    def _lines(self, panel: dict[str, Any]) -> draw.Lines:
        found: draw.Lines = []
        for target in panel["targets"]:
            series = self._ask(target, instant=panel["type"] == "table")
            found += [(words.legend(target.get("legendFormat", ""), one.labels), one) for one in series]
        return [(name, series) for name, series in found if not series.empty]

    def _ask(self, target: dict[str, Any], *, instant: bool) -> list[Series]:
        if instant:
            return self._prometheus.at(target["expr"], self._window.end)
        return self._prometheus.over(target["expr"], self._window)

    def _axes(self, panel: dict[str, Any], left: float, legend: int) -> Axes:
        place = panel["gridPos"]
        x, y, w, h = self._inches(place)
        self._figure.add_artist(
            _card(
                (x + 0.05) / WIDTH_INCHES, (y + 0.05) / self._height, (w - 0.1) / WIDTH_INCHES, (h - 0.1) / self._height
            )
        )
        self._figure.text(
            (x + 0.15) / WIDTH_INCHES,
            (y + h - 0.22) / self._height,
            panel["title"],
            size=min(TITLE_POINTS, TITLE_POINTS * (w - 0.3) / (TITLE_INCHES * len(panel["title"]))),
            weight="bold",
            va="center",
        )
        bottom = BOTTOM_INCHES + legend * LEGEND_INCHES + (0.08 if legend else 0)
        return self._figure.add_axes(
            (
                (x + left) / WIDTH_INCHES,
                (y + bottom) / self._height,
                (w - left - RIGHT_INCHES) / WIDTH_INCHES,
                (h - bottom - TOP_INCHES) / self._height,
            )
        )

    def _write(self, panel: dict[str, Any], legend: Legend) -> None:
        x, y, _, _ = self._inches(panel["gridPos"])
        for row, entries in enumerate(reversed(legend)):
            at = x + 0.2
            for number, name in entries:
                height = (y + 0.15 + row * LEGEND_INCHES) / self._height
                colour = draw.COLOURS[number % len(draw.COLOURS)] if number >= 0 else draw.GREY
                self._figure.text(
                    at / WIDTH_INCHES, height, "\N{BLACK SQUARE}", size=NAME_POINTS, color=colour, va="center"
                )
                self._figure.text(
                    (at + 0.14) / WIDTH_INCHES, height, name, size=NAME_POINTS, color="#374151", va="center"
                )
                at += _inches_of(name)

    def _inches(self, place: dict[str, int]) -> tuple[float, float, float, float]:
        unit = WIDTH_INCHES / COLUMNS
        top = self._height - self._head + 0.15 - place["y"] * ROW_INCHES
        return place["x"] * unit, top - place["h"] * ROW_INCHES, place["w"] * unit, place["h"] * ROW_INCHES


def _inches_of(name: str) -> float:
    return 0.34 + CHARACTER_INCHES * len(name)


def _named(faults: draw.Lines) -> str:
    """What was broken, and from when to when."""
    spans = sorted((start, end, name) for name, series in faults for start, end in draw.spans(series))
    shown = [f"{name} {_clock(start)}-{_clock(end)}" for start, end, name in spans[:MOST_FAULTS]]
    more = [f"{len(spans) - MOST_FAULTS} more"] if len(spans) > MOST_FAULTS else []
    return ", ".join(shown + more) or "faults at work, of which there were none"


def _clock(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%H:%M:%S")


def _legend(lines: draw.Lines, inches: float) -> Legend:
    """Every line; where that takes many rows, only those that are not at 0 all the time."""
    names = [(number, name) for number, (name, _) in enumerate(lines)]
    rows = _wrapped(names, inches)
    if len(rows) <= 2:
        return rows
    moving = [(number, name) for number, name in names if any(value > 0 for value in lines[number][1].values)]
    quiet = [(-1, f"{len(names) - len(moving)} at 0")] if len(moving) < len(names) else []
    return _wrapped(moving + quiet, inches)


def _wrapped(names: list[tuple[int, str]], inches: float) -> Legend:
    """The legend in rows, each entry with the number of its colour; what does not fit is counted."""
    rows: Legend = []
    room = 0.0
    for place, (number, name) in enumerate(names):
        if _inches_of(name) > room:
            if len(rows) == LEGEND_LINES:
                rows[-1][-1] = (-1, f"+{len(names) - place + 1} more")
                break
            rows.append([])
            room = inches
        rows[-1].append((number, name))
        room -= _inches_of(name)
    return rows


def _card(x: float, y: float, w: float, h: float) -> Any:
    return Rectangle((x, y), w, h, facecolor="white", edgecolor="#d8dbe0", lw=0.8, zorder=-1)
