"""Closing a client's connection without an answer: HTTP has no word for it, so ASGI has none either.

The server's protocol class offers it to the application as an ASGI extension.
"""

from collections.abc import Callable
from typing import cast

from starlette.requests import Request
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

EXTENSION = "provider.connection"


class ClosableConnection(HttpToolsProtocol):
    """uvicorn's HTTP connection, with a way to close it in every request's scope."""

    def on_message_begin(self) -> None:
        """Called by the parser when a request starts and its scope has to be made."""
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: {"close": self.transport.close}}


async def hang_up(request: Request) -> None:
    """Close the connection; returns when it is closed, after which an answer goes nowhere."""
    close = cast("Callable[[], None]", request.scope["extensions"][EXTENSION]["close"])
    close()
    while (await request.receive())["type"] != "http.disconnect":
        pass
