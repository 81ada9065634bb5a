"""An HTTP server as one task among others: uvicorn, with the signals left to the service."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

DRAIN_SECONDS = 5


class Server(uvicorn.Server):
    """Serves until `should_exit` is set, then lets the requests under way end."""

    def __init__(self, app: Any, host: str, port: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                http="httptools",
                ws="none",
                lifespan="off",
                access_log=False,
                proxy_headers=False,  # nobody here asks for the client's address
                log_config=None,
                timeout_graceful_shutdown=DRAIN_SECONDS,
                timeout_keep_alive=75,  # longer than the edge keeps its idle connections, which it may then reuse
                server_header=False,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The service decides when to stop and in which order."""
        yield

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve. Raises `SystemExit` with a sentence if the port is taken."""
        with _listen(self.config.host, self.config.port) as listener:
            await super().serve([listener])


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SystemExit(f"cannot listen on {host}:{port}: {error.strerror}; free the port or choose another") from None
    return listener
