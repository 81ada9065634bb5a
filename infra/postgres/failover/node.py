"""A node of the cluster, as its Patroni tells: https://patroni.readthedocs.io/en/latest/rest_api.html"""

import base64
import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

USER = "patroni"
TIMEOUT_SECONDS = 2.0


class FailoverError(Exception):
    """The lead cannot be handed over. The message is one sentence for the person who asked."""


@dataclass(frozen=True)
class Node:
    """One node; `url` is where its Patroni answers, as in http://127.0.0.1:8008."""

    url: str

    def leads(self) -> bool:
        """Whether it is the primary, and nobody else can be: it accepts writes and holds the leader's key."""
        return self._ok("/primary")

    def follows_synchronously(self) -> bool:
        """Whether commits wait for it, so that it may take over."""
        return self._ok("/sync")

    def name(self) -> str:
        """What Patroni calls it. Raises `FailoverError` where nobody answers."""
        try:
            _, body = self._call("GET", "/patroni")
            return str(json.loads(body)["patroni"]["name"])
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            raise FailoverError(f"no Patroni answers at {self.url}: is the stack up?") from None

    def switch_over(self, leader: str, candidate: str, password: str, timeout_seconds: float) -> str:
        """Ask for it, and wait until Patroni has done it; returns what went wrong, or nothing."""
        wish = {"leader": leader, "candidate": candidate}
        try:
            status, body = self._call("POST", "/switchover", wish, password, timeout_seconds)
        except (OSError, http.client.HTTPException) as error:
            return f"{leader} did not answer ({error})"
        return "" if status == 200 else f"{body} (HTTP {status})"

    def _ok(self, path: str) -> bool:
        try:
            return self._call("GET", path)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def _call(
        self,
        method: str,
        path: str,
        content: Any = None,
        password: str = "",
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> tuple[int, str]:
        credentials = base64.b64encode(f"{USER}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}"} if password else {}
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=timeout_seconds)
        try:
            connection.request(method, path, json.dumps(content) if content else None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace").strip()
        finally:
            connection.close()
