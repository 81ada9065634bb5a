"""What Prometheus saw during a run, for the lower half of the report."""

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, NamedTuple

TIMEOUT_SECONDS = 10.0
MOST_POINTS = 600


class Question(NamedTuple):
    """A panel: PromQL, and the label that names its lines."""

    title: str
    unit: str
    query: str
    label: str


QUEUES = '{__name__=~"rabbitmq_(detailed_)?queue_messages_(ready|unacked)"}'
QUESTIONS = (
    Question("Messages in queues", "", f"sum by (vhost) ({QUEUES})", "vhost"),
    Question("Events in outboxes", "", "max by (service) (outbox_pending_events)", "service"),
    Question("Effects waiting", "", "max by (service) (effects_pending)", "service"),
    Question(
        "Breakers that are not closed", "", 'max by (dependency) (circuit_breaker_state{state!="closed"})', "dependency"
    ),
    Question("CPU, cores", "", 'sum by (service) (rate(process_cpu_seconds_total{service!=""}[20s]))', "service"),
    Question("Memory", "MB", 'sum by (service) (process_resident_memory_bytes{service!=""}) / 1e6', "service"),
)
FAULTS = Question("Faults", "", "max by (fault, target) (faults_active) > 0", "fault")

Lines = dict[str, list[tuple[float, float]]]


def ask(prometheus: str, question: Question, start: float, seconds: float) -> Lines:
    """Line -> points, in seconds since `start` (UNIX time); empty where Prometheus does not know."""
    step = max(1.0, round(seconds / MOST_POINTS))
    parameters = {"query": question.query, "start": start, "end": start + seconds, "step": step}
    url = f"{prometheus}/api/v1/query_range?{urllib.parse.urlencode(parameters)}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=TIMEOUT_SECONDS) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    except (urllib.error.URLError, OSError, ValueError, KeyError):
        return {}
    return {_name(row["metric"], question.label): _points(row["values"], start) for row in found}


def bands(lines: Lines, step: float = 5.0) -> list[tuple[float, float, str]]:
    """From when to when each fault was at work."""
    found: list[tuple[float, float, str]] = []
    for name, points in lines.items():
        begin = last = float("-inf")
        for at, _ in points:
            if at - last > 2 * step:
                begin = at
                found.append((begin, at, name))
            last = at
            found[-1] = (begin, last, name)
    return found


def _name(labels: dict[str, str], label: str) -> str:
    named = labels.get(label) or "all"
    return f"{named} {labels['target']}" if "target" in labels else named


def _points(values: list[tuple[float, str]], start: float) -> list[tuple[float, float]]:
    return [(float(at) - start, float(value)) for at, value in values if value not in ("NaN", "+Inf", "-Inf")]
