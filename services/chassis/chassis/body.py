"""Bodies are bounded: what is declared too large is refused before it is read, the rest as soon as it is too long.

FastAPI's own limit would answer in plain text; this one answers as everything else does, with a problem document.
"""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.errors import problem

MAX_BODY_BYTES = 64 * 1024
TOO_LONG = f"a request body has at most {MAX_BODY_BYTES} bytes"


class BodyLimit:
    """Answers 413 where a body is above the limit."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse or pass on."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
            return await problem(413, TOO_LONG)(scope, receive, send)
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > MAX_BODY_BYTES:
                raise HTTPException(413, TOO_LONG)
            return message

        return await self._app(scope, counted, send)
