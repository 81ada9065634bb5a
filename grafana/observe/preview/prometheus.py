"""Asking Prometheus what Grafana would ask it."""

import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

TIMEOUT_SECONDS = 30
SCRAPE_SECONDS = 5
RATE_SECONDS = 4 * SCRAPE_SECONDS  # what Grafana makes of $__rate_interval at this step


class PreviewError(Exception):
    """Something cannot be drawn; the message is a sentence that names it."""


@dataclass(frozen=True)
class Series:
    """One line: its labels, and times (Unix seconds) with values."""

    labels: dict[str, str]
    times: list[float]
    values: list[float]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to be seen."""
        return not any(math.isfinite(value) for value in self.values)


@dataclass(frozen=True)
class Window:
    """What is looked at."""

    start: float
    end: float
    step: float = SCRAPE_SECONDS


class Prometheus:
    """One server, by its address."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def over(self, expr: str, window: Window) -> list[Series]:
        """The expression's values over the window; NaN where it has none, so that gaps are seen."""
        parameters = {"start": window.start, "end": window.end, "step": window.step}
        found = self._get("query_range", query=substitute(expr), **parameters)
        return [_series(one["metric"], one["values"], window) for one in found["result"]]

    def at(self, expr: str, time: float) -> list[Series]:
        """The expression's values at one time."""
        found = self._get("query", query=substitute(expr), time=time)
        return [Series(one["metric"], [time], [float(one["value"][1])]) for one in found["result"]]

    def alerts(self) -> list[dict[str, Any]]:
        """Those that are pending or firing now."""
        found: list[dict[str, Any]] = self._get("alerts")["alerts"]
        return found

    def _get(self, what: str, **parameters: object) -> Any:
        url = f"{self._url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with self._opener.open(url, timeout=TIMEOUT_SECONDS) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            said = json.load(error).get("error", error.reason)
            raise PreviewError(f"Prometheus refused {parameters.get('query', what)}: {said}") from None
        except OSError as error:
            raise PreviewError(f"no Prometheus answers at {self._url} ({error}): start a stack first") from None


def substitute(expr: str) -> str:
    """The expression without Grafana's variables: every service, and the usual rate interval."""
    return expr.replace("$__rate_interval", f"{RATE_SECONDS}s").replace("$service", ".*")


def _series(labels: dict[str, str], values: Iterable[tuple[float, str]], window: Window) -> Series:
    known = {round(time, 3): float(value) for time, value in values}
    count = int((window.end - window.start) / window.step)
    times = [round(window.start + number * window.step, 3) for number in range(count + 1)]
    return Series(labels, times, [known.get(time, math.nan) for time in times])
