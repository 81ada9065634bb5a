"""Which charts a run has: what visitors saw above, what the system did below, on one axis."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from load import record, sagas, series
from load.record import Request
from load.report.chart import Band, Chart, Point
from load.results import PLACE
from load.sagas import Saga
from load.statistics import PERCENTS, over_time, per_second
from meters.load import result_of

MOST_POINTS = 240
LEAST_SECONDS = 2.0  # that a percentile is taken of


class Charts:
    """Of one run's files. `seconds`: how long the axis is, the time until all was at rest included."""

    def __init__(self, directory: Path, results: dict[str, Any]) -> None:
        self._requests = record.requests(directory)
        self._generator = record.seconds(directory)
        self._sagas = sagas.read(directory)
        ended = max((saga.placed + (saga.seconds or 0) for saga in self._sagas), default=0.0)
        self.seconds = max(results["seconds"], ended, 1.0)
        self._every = max(1.0, round(self.seconds / MOST_POINTS))
        file = directory / "series.json"
        self._seen: dict[str, series.Lines] = json.loads(file.read_text()) if file.exists() else {}
        self._bands: list[Band] = series.bands(self._seen.get(series.FAULTS.title, {}))

    @property
    def client(self) -> list[Chart]:
        """What visitors saw."""
        placed = [request for request in self._requests if request.name == PLACE]
        ended = [saga for saga in self._sagas if saga.seconds is not None]
        return [
            self._chart("Orders", "a second", self._orders(placed, ended)),
            self._chart("Placing an order", "seconds, from when it was due", self._percents(placed)),
            self._chart("From placed to confirmed or cancelled", "seconds", self._saga_percents(ended)),
            self._chart("All requests, by what came back", "a second", self._answers()),
        ]

    @property
    def generator(self) -> list[Chart]:
        """What the generator did; its lateness is in the times above."""
        points = self._generator
        cpu: list[Point] = [(second.at, second.cpu) for second in points]
        lag: list[Point] = [(second.at, second.lag) for second in points]
        dropped: list[Point] = [(second.at, float(second.dropped)) for second in points]
        return [
            self._chart("Generator", "share of a core; seconds", {"CPU": cpu, "worst lateness": lag}),
            *(
                [self._chart("Dropped visitors", "a second", {"dropped": dropped})]
                if any(y for _, y in dropped)
                else []
            ),
        ]

    @property
    def server(self) -> list[Chart]:
        """What Prometheus saw; empty where it saw nothing."""
        asked = [(question, self._seen.get(question.title, {})) for question in series.QUESTIONS]
        return [self._chart(question.title, question.unit, lines) for question, lines in asked if lines]

    def _orders(self, placed: list[Request], ended: list[Saga]) -> dict[str, list[Point]]:
        return {
            "offered": self._rate(request.due for request in placed),
            "accepted": self._rate(request.due for request in placed if request.status == 202),
            "at their end": self._rate(saga.placed + (saga.seconds or 0) for saga in ended),
        }

    def _percents(self, requests: list[Request]) -> dict[str, list[Point]]:
        points = [(request.due, request.seconds) for request in requests]
        return {f"p{percent}": over_time(points, percent, max(LEAST_SECONDS, self._every)) for percent in PERCENTS}

    def _saga_percents(self, ended: list[Saga]) -> dict[str, list[Point]]:
        points = [(saga.placed, saga.seconds or 0.0) for saga in ended]
        return {f"p{percent}": over_time(points, percent, max(LEAST_SECONDS, self._every)) for percent in PERCENTS}

    def _answers(self) -> dict[str, list[Point]]:
        by_result: defaultdict[str, list[float]] = defaultdict(list)
        for request in self._requests:
            by_result[result_of(request.status or None)].append(request.due + request.seconds)
        return {result: self._rate(moments) for result, moments in sorted(by_result.items())}

    def _rate(self, moments: Iterable[float]) -> list[Point]:
        every = self._every
        counts = per_second((moment / every for moment in moments), int(self.seconds / every) + 1)
        return [((index + 0.5) * every, count / every) for index, count in enumerate(counts)]

    @property
    def _chart(self) -> Callable[[str, str, Any], Chart]:
        return lambda title, unit, lines: Chart(title, unit, lines, self.seconds, self._bands)
