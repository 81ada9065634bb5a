"""What surrounds every request: its correlation id, its duration, and a log line when it went wrong.

A plain ASGI middleware: Starlette's own base class would start a task and two streams for each request.
"""

import time
from uuid import UUID

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import metrics, spans
from chassis.errors import of_bug
from chassis.events import uuid7
from chassis.logging import bound

CORRELATION_HEADER = b"x-correlation-id"


class Telemetry:
    """Binds the correlation id (the caller's, if it is a UUID) and measures by route template."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        correlation_id = _correlation_id(scope)
        scope.setdefault("state", {})["correlation_id"] = correlation_id
        status, started = 0, time.perf_counter()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (CORRELATION_HEADER, str(correlation_id).encode())]
            await send(message)

        span = spans.request(scope, correlation_id)
        with bound(correlation_id=correlation_id), metrics.HTTP_ACTIVE.track_inprogress(), span:
            try:
                await self._app(scope, receive, answer)
            except Exception as error:
                if status:
                    raise
                await (await of_bug(None, error))(scope, receive, answer)
            finally:
                route = getattr(scope.get("route"), "path", "unmatched")
                duration = metrics.HTTP_DURATION.labels(route, metrics.method(scope["method"]), status)
                duration.observe(time.perf_counter() - started)
                spans.answered(route, metrics.method(scope["method"]), status)


def _correlation_id(scope: Scope) -> UUID:
    for name, value in scope["headers"]:
        if name == CORRELATION_HEADER:
            try:
                return UUID(value.decode("latin-1"))
            except ValueError:
                break
    return uuid7()
