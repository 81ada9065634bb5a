"""A line chart as SVG: plain text, so that a report is one file that is still readable in ten years."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 960, 150
LEFT, RIGHT, TOP, BOTTOM = 56, 18, 6, 18
COLOURS = 8  # classes c0 to c7 of the page's style sheet
LABEL_PIXELS = 70

Point = tuple[float, float]
Band = tuple[float, float, str]


@dataclass(frozen=True)
class Chart:
    """Lines over the seconds of a run. `bands`: from when to when something was broken on purpose."""

    title: str
    unit: str
    lines: Mapping[str, Sequence[Point]]
    seconds: float
    bands: Sequence[Band] = ()

    @property
    def svg(self) -> str:
        """The picture, with its title and legend as HTML."""
        top = ceiling(max((y for points in self.lines.values() for _, y in points), default=0.0))
        parts = [*self._bands(), *self._grid(top), *self._paths(top)]
        unit = f" <span class=unit>{escape(self.unit)}</span>" if self.unit else ""
        return (
            f"<figure><figcaption><b>{escape(self.title)}</b>{unit}{''.join(self._legend())}</figcaption>"
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(self.title)}">'
            f"{''.join(parts)}</svg></figure>"
        )

    def _legend(self) -> Iterator[str]:
        for number, name in enumerate(self.lines):
            yield f"<span class=key><i class=b{number % COLOURS}></i>{escape(name)}</span>"

    def _bands(self) -> Iterator[str]:
        for begin, end, name in self.bands:
            left, right = self._x(max(0, begin)), self._x(min(self.seconds, end))
            yield (
                f'<rect class=band x="{left:.1f}" y="{TOP}" width="{max(1, right - left):.1f}"'
                f' height="{HEIGHT - TOP - BOTTOM}"><title>{escape(name)}</title></rect>'
                f'<text class=fault x="{left + 3:.1f}" y="{TOP + 11}">{escape(name)}</text>'
            )

    def _grid(self, top: float) -> Iterator[str]:
        for share in (0.0, 0.5, 1.0):
            y = self._y(share * top, top)
            yield f'<line class=grid x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield f'<text class=tick x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor=end>{number(share * top)}</text>'
        for at in ticks(self.seconds):
            yield (
                f'<text class=tick x="{self._x(at):.1f}" y="{HEIGHT - 4}" text-anchor=middle>'
                f"{clock(at, self.seconds)}</text>"
            )

    def _paths(self, top: float) -> Iterator[str]:
        for index, points in enumerate(self.lines.values()):
            if points:
                path = " ".join(f"{self._x(x):.1f},{self._y(y, top):.1f}" for x, y in points)
                yield f'<polyline class=c{index % COLOURS} points="{path}"/>'

    def _x(self, seconds: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, max(0.0, seconds / max(self.seconds, 1e-9)))

    def _y(self, value: float, top: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top


def ceiling(value: float) -> float:
    """The next round number: 1, 2, 2.5 or 5 times a power of ten; 1 for nothing."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * (1 - 1e-9))


def number(value: float) -> str:
    """Short: 0.25, 3, 40, 1.5k, 2M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 10 * size or (value >= size and letter != "k"):
            return f"{value / size:.3g}{letter}"
    return f"{value:.4g}" if value >= 1000 else f"{value:.3g}"


def ticks(seconds: float) -> list[float]:
    """Round moments along the axis, not too close together."""
    most = (WIDTH - LEFT - RIGHT) / LABEL_PIXELS
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
    step = next((step for step in steps if seconds / step <= most), steps[-1])
    return [float(at) for at in range(0, int(seconds) + 1, step)]


def clock(at: float, seconds: float) -> str:
    """Seconds, minutes or hours, as the whole run needs."""
    if seconds <= 180:
        return f"{at:.0f} s"
    return f"{at / 60:.0f} min" if seconds <= 10800 else f"{at / 3600:.1f} h"
