"""The preview draws what it is given, says what is empty, and refuses what it cannot draw."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from observe.boards import BOARDS
from observe.boards.kit import render
from observe.preview import draw, words
from observe.preview.prometheus import PreviewError, Prometheus, Series, Window
from observe.preview.sheet import Sheet

WINDOW = Window(1_800_000_000.0, 1_800_000_060.0)


class Canned(Prometheus):
    """Answers everything with one series, or with nothing."""

    def __init__(self, *values: float) -> None:
        super().__init__("http://nowhere")
        self._values = values

    def over(self, expr: str, window: Window) -> list[Series]:
        labels = {"le": "1.0"} if "_bucket" in expr else {"service": "order"}
        times = [window.start + 5 * number for number in range(len(self._values))]
        return [Series(labels, times, list(self._values))] if self._values else []

    def at(self, expr: str, time: float) -> list[Series]:
        return [Series({"service": "order"}, [time], [1.0])] if self._values else []


@pytest.mark.parametrize("board", [board.uid for board in BOARDS])
def test_every_dashboard_is_drawn(board: str, tmp_path: Path) -> None:
    sheet = Sheet(document(board), Canned(1.0, 0.0, 1.0), WINDOW)
    sheet.save(tmp_path / "board.png")
    assert (tmp_path / "board.png").stat().st_size > 10_000
    assert sheet.empty == []


@pytest.mark.parametrize("nothing", [(), (math.nan, math.nan)])
def test_a_panel_without_data_is_named(nothing: tuple[float, ...], tmp_path: Path) -> None:
    sheet = Sheet(document("overview"), Canned(*nothing), WINDOW)
    sheet.save(tmp_path / "board.png")
    assert "Goodput" not in sheet.empty
    assert len(sheet.empty) == len(document("overview")["panels"])


def test_a_panel_of_an_unknown_type_is_refused(tmp_path: Path) -> None:
    board = document("overview")
    board["panels"][0]["type"] = "piechart"
    with pytest.raises(PreviewError, match="is a piechart, which the preview cannot draw"):
        Sheet(board, Canned(1.0), WINDOW).save(tmp_path / "board.png")


def test_a_server_that_does_not_answer_is_named() -> None:
    with pytest.raises(PreviewError, match=r"no Prometheus answers at http://127\.0\.0\.1:1"):
        Prometheus("http://127.0.0.1:1").at("up", 0)


@pytest.mark.parametrize(
    ("number", "unit", "shown"),
    [
        (0.25, "s", "250 ms"),
        (90, "s", "90 s"),
        (0.9991, "percentunit", "99.91 %"),
        (1, "percentunit", "100 %"),
        (-20.6, "percentunit", "-2,060 %"),
        (3 * 2**20, "bytes", "3 MiB"),
        (1500, "none", "1.5k"),
        (math.nan, "s", "-"),
    ],
)
def test_numbers_are_shown_as_a_person_reads_them(number: float, unit: str, shown: str) -> None:
    assert words.value(number, unit) == shown


def test_a_fault_is_a_band_from_its_first_to_its_last_value() -> None:
    times = [0.0, 5.0, 10.0, 15.0, 20.0]
    assert draw.spans(Series({}, times, [math.nan, 1, 1, math.nan, 1])) == [(5.0, 10.0), (20.0, 20.0)]


def document(uid: str) -> dict[str, Any]:
    """A dashboard's JSON."""
    found: dict[str, Any] = json.loads(render(next(board for board in BOARDS if board.uid == uid)))
    return found
