"""RabbitMQ's management API, as much of it as the topology needs: read lists, import definitions."""

import base64
import http.client
import json
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

REQUEST_TIMEOUT_SECONDS = 60.0  # importing a few dozen quorum queues takes seconds on a small machine
POLL_SECONDS = 0.25


class ManagementError(Exception):
    """The API did not answer, or refused; the message says which and why."""


class Management:
    """One broker's management API, used as one user."""

    def __init__(self, url: str, user: str, password: str) -> None:
        parts = split(url)
        self.url = url
        self.timeout_seconds = REQUEST_TIMEOUT_SECONDS
        self.user = user
        self._open = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._address = (parts.hostname or "", parts.port)
        self._prefix = parts.path.rstrip("/")
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}

    def get(self, *path: str) -> Any:
        """A resource; path segments are escaped here. Raises `ManagementError`."""
        answer = self._request("GET", path, None)
        try:
            return json.loads(answer)
        except ValueError:
            raise ManagementError("what answers there is not RabbitMQ's management API") from None

    def post(self, *path: str, body: object) -> None:
        """Send a document. Raises `ManagementError`."""
        self._request("POST", path, json.dumps(body))

    def delete(self, *path: str) -> None:
        """Delete a resource. Raises `ManagementError`."""
        self._request("DELETE", path, None)

    def put(self, *path: str, body: object) -> None:
        """Create or replace a resource. Raises `ManagementError`."""
        self._request("PUT", path, json.dumps(body))

    def _request(self, method: str, path: tuple[str, ...], body: str | None) -> bytes:
        target = "/".join([self._prefix, "api", *(quote(segment, safe="") for segment in path)])
        connection = self._open(*self._address, timeout=self.timeout_seconds)
        try:
            connection.request(method, target, body, self._headers)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ManagementError(f"it does not answer ({error or type(error).__name__})") from None
        finally:
            connection.close()
        if response.status == 401:
            raise ManagementError(f"it refuses user '{self.user}' with this password")
        if response.status >= 400:
            raise ManagementError(f"{method} {target} was refused with {response.status}: {reason(answer)}")
        return answer

    def wait(self, problem: Callable[["Management"], str], seconds: float) -> None:
        """Until `problem` names none. Says once what it waits for; raises `SystemExit` when the time is over."""
        deadline = time.monotonic() + seconds
        told = False
        while True:
            self.timeout_seconds = max(1.0, deadline - time.monotonic())  # a frozen broker does not stretch the time
            try:
                fault = problem(self)
            except ManagementError as error:
                fault = str(error)
            if not fault:
                self.timeout_seconds = REQUEST_TIMEOUT_SECONDS
                return
            if time.monotonic() >= deadline:
                raise SystemExit(f"the broker's management API at {self.url} was not ready in {seconds:g} s: {fault}")
            if not told:
                print(f"waiting up to {seconds:g} s for the broker at {self.url}: {fault}", file=sys.stderr)
                told = True
            time.sleep(POLL_SECONDS)


def split(url: str) -> SplitResult:
    """The address's parts. Raises `SystemExit` if it is none."""
    parts = urlsplit(url)
    try:
        known = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is no number, or too large a one
        known = False
    if not known:
        raise SystemExit(f"QS_MANAGEMENT_URL is '{url}': it must look like http://127.0.0.1:15672")
    return parts


def reason(answer: bytes) -> str:
    """Why the API refused, in its own words."""
    try:
        document = json.loads(answer)
    except ValueError:
        return answer[:200].decode(errors="replace")
    return " ".join(words(document.get("reason", document) if isinstance(document, dict) else document).split())


def words(value: object) -> str:
    """Text out of what the API makes of Erlang terms: a string may come as the list of its characters."""
    if isinstance(value, list):
        if value and all(isinstance(item, int) for item in value):
            return "".join(map(chr, value))
        return " ".join(words(item) for item in value)
    return str(value)
