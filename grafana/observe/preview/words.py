"""Numbers and names as a person reads them."""

import math
import re

PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""))
BINARY = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))


def value(number: float, unit: str) -> str:
    """`0.25`, `s`: 250 ms."""
    if not math.isfinite(number):
        return "-"
    if unit == "percentunit":
        return _percent(100 * number)
    if unit == "s":
        return _seconds(number)
    if unit == "bytes":
        return _scaled(number, BINARY, " ")
    text = _scaled(number, PREFIXES, "")
    return f"{text} /s" if unit == "reqps" else f"{text} min" if unit == "m" else text


def _percent(number: float) -> str:
    if abs(number) >= 1000:
        return f"{number:,.0f} %"
    return f"{number:.4g} %" if 99.9 <= number < 100 else f"{number:.3g} %"


def _seconds(number: float) -> str:
    size = abs(number)
    if size == 0:
        return "0 s"
    if size < 1e-3:
        return f"{number * 1e6:.3g} us"
    if size < 1:
        return f"{number * 1e3:.3g} ms"
    return f"{number:.3g} s" if size < 120 else f"{number / 60:.3g} min"


def _scaled(number: float, prefixes: tuple[tuple[float, str], ...], space: str) -> str:
    for size, name in prefixes:
        if abs(number) >= size:
            return f"{number / size:.3g}{space}{name}"
    return f"{number:.2g}"


def legend(template: str, labels: dict[str, str]) -> str:
    """`{{service}} p95` with a series' labels put in."""
    if not template:
        return ", ".join(f"{name}={text}" for name, text in sorted(labels.items()) if name != "__name__")
    text = re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), template)
    return " ".join(text.split())
