"""The internal port: alive, ready, metrics. Never passed on by the edge.

`/healthz` answers while the event loop turns. `/readyz` is what the edge goes by: the broker is reachable, the database
has been so within the last seconds, and the service is not about to stop.
"""

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Unready = Callable[[], list[str]]


def internal_app(unready: Unready) -> Starlette:
    """The internal app; `unready()` names what is missing, nothing when ready."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_: Request) -> Response:
        missing = unready()
        body = {"status": "unready" if missing else "ready", "missing": missing}
        return JSONResponse(body, 503 if missing else 200)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)])
