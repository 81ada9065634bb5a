"""One request in Locust's books, timed from when it was due."""

import json
import time
from typing import Any, NamedTuple

from locust.contrib.fasthttp import FastHttpSession

from load.ledger import Ledger
from load.record import Request
from meters.load import result_of

TIMEOUT_SECONDS = 15.0  # the edge gives an instance ten
CONSISTENCY = "X-Consistency-Token"


class Answer(NamedTuple):
    """`status` is 0 where there was none."""

    status: int
    body: Any
    consistency_token: str | None


class Shopper:
    """Sends requests. `started` is the run's start on the monotonic clock, from which `due` counts."""

    def __init__(self, http: FastHttpSession, started: float, ledger: Ledger) -> None:
        self._http = http
        self._started = started
        self._ledger = ledger

    def now(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._started

    def ask(
        self,
        name: str,
        method: str,
        path: str,
        *,
        due: float,
        visit: int,
        headers: dict[str, str],
        body: object = None,
    ) -> Answer:
        """Send one. Its time in all statistics begins when it was due."""
        self._ledger.meter.due()
        sent = self.now()
        content = None if body is None else json.dumps(body)
        kind = {"Content-Type": "application/json"} if content else {}
        with self._http.request(
            method, path, name=name, data=content, headers={**headers, **kind}, catch_response=True
        ) as response:
            status = int(response.status_code or 0)
            result = result_of(status or None)
            seconds = self.now() - due
            response.request_meta["response_time"] = 1000 * seconds
            if result in ("ok", "rejected"):
                response.success()
            else:
                response.failure(f"{result} {status or ''}".strip())
        self._ledger.answered(Request(due, name, status, seconds, seconds + due - sent, visit), result)
        token = response.headers.get(CONSISTENCY) if response.headers else None
        return Answer(status, _document(response.content), token)


def _document(content: bytes | None) -> Any:
    try:
        return json.loads(content or b"null")
    except ValueError:
        return None
