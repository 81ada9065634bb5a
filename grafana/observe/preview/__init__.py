"""A preview of the dashboards for places without Grafana: the same JSON, the same queries, one picture each.

It is no Grafana: nothing moves, and it draws only the panel types that are used here. It fails on a panel that it
cannot draw, or that has no data.
"""

import html
import json
import os
import sys
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import runtime
from native import StackError
from native.layout import DEFAULT_STACK
from observe.preview.prometheus import PreviewError, Prometheus, Window
from observe.preview.sheet import Sheet

__all__ = ["PreviewError", "Prometheus", "Window", "boards", "draw_all", "run"]

DASHBOARDS = Path(__file__).parents[2] / "dashboards"
OVERVIEW = "overview"


def run(url: str | None, minutes: float, out: Path) -> int:
    """Draw everything. Returns the exit status: 1 where a panel is empty, 2 where it could not be drawn."""
    try:
        empty = draw_all(Prometheus(url or _address()), minutes, out)
    except (PreviewError, StackError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{out / 'index.html'}: {len(boards())} dashboards, the last {minutes:g} minutes")
    for title in empty:
        print(f"empty: {title}", file=sys.stderr)
    return 1 if empty else 0


def draw_all(prometheus: Prometheus, minutes: float, out: Path) -> list[str]:
    """A PNG per dashboard and one page. Returns the panels without data, as "Dashboard: Panel"."""
    out.mkdir(parents=True, exist_ok=True)
    end = time.time()
    window = Window(end - 60 * minutes, end)
    pages, empty = [], []
    for board in boards():
        sheet = Sheet(board, prometheus, window)
        file = out / f"{board['uid']}.png"
        sheet.save(file)
        empty += [f"{board['title']}: {title}" for title in sheet.empty]
        pages.append(_section(board, file))
    (out / "index.html").write_text(PAGE.format(sections="\n".join(pages)))
    return empty


def boards() -> list[dict[str, Any]]:
    """The committed dashboards, the overview first."""
    found = [json.loads(file.read_text()) for file in sorted(DASHBOARDS.glob("*.json"))]
    return sorted(found, key=lambda board: board["uid"] != OVERVIEW)


PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Quicksand: a preview of the dashboards</title>
<style>body {{ font: 16px sans-serif; margin: 2em; background: #f4f5f7 }} img {{ max-width: 100% }}</style>
<h1>Quicksand</h1>
<p>A preview, drawn without Grafana from the same dashboards and the same queries.</p>
{sections}
</html>
"""


def _section(board: dict[str, Any], file: Path) -> str:
    picture = b64encode(file.read_bytes()).decode()
    title = html.escape(board["title"])
    notes = "".join(
        f"<dt>{html.escape(panel['title'])}</dt><dd>{html.escape(panel['description'])}</dd>"
        for panel in board["panels"]
    )
    return (
        f'<h2 id="{board["uid"]}">{title}</h2>\n<img alt="{title}" src="data:image/png;base64,{picture}">\n'
        f"<details><summary>What normal looks like</summary><dl>{notes}</dl></details>"
    )


def _address() -> str:
    if url := os.environ.get("PROMETHEUS_URL"):
        return url
    stack = runtime.running(os.environ.get("STACK") or DEFAULT_STACK)
    return runtime.variables(stack)["PROMETHEUS_URL"]
