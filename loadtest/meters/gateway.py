"""The way to the Pushgateway: plain text over HTTP. Nobody's work fails because it cannot be told."""

import json
import urllib.request
from typing import Any
from urllib.parse import quote

from prometheus_client import CollectorRegistry, generate_latest

TIMEOUT_SECONDS = 2


def push(gateway: str, registry: CollectorRegistry, **group: str) -> bool:
    """Replace what this group (`job` first) said before. Returns whether it arrived."""
    return _ask(f"{gateway}{_path(group)}", "PUT", generate_latest(registry)) is not None


def forget(gateway: str, **group: str) -> bool:
    """Take back what this group said, if it said anything. Returns whether that arrived."""
    return _ask(f"{gateway}{_path(group)}", "DELETE") is not None


def groups(gateway: str, job: str) -> list[dict[str, str]] | None:
    """Who has left something there for this job; `None` where nobody answers."""
    answer = _ask(f"{gateway}/api/v1/metrics", "GET")
    if answer is None:
        return None
    said: list[dict[str, Any]] = json.loads(answer)["data"]
    return [one["labels"] for one in said if one["labels"]["job"] == job]


def _path(group: dict[str, str]) -> str:
    return "/metrics/" + "/".join(f"{name}/{quote(value, safe='')}" for name, value in group.items())


def _ask(url: str, method: str, body: bytes | None = None) -> bytes | None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        request = urllib.request.Request(url, data=body, method=method)  # noqa: S310  the stack's own address
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            found: bytes = answer.read()
            return found
    except (OSError, ValueError):  # the second: there is no address
        return None
