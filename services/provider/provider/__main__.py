"""`python -m provider`: serve until SIGTERM, finish what was accepted, exit 0."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn
import uvloop

from chassis import logging
from provider.app import create_app
from provider.connection import ClosableConnection
from provider.faults import Mishaps
from provider.ledger import Ledger
from provider.settings import Settings

KEEP_ALIVE_SECONDS = (
    75  # longer than a client's own limit, so that the client closes first and never meets a closed one
)
GRACE_SECONDS = 5


class Server(uvicorn.Server):
    """uvicorn raises the stopping signal again after its clean stop; here a clean stop is a clean exit."""

    def __init__(self, config: uvicorn.Config, *, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        self._on_stop()
        self.should_exit = True


async def serve(settings: Settings) -> None:
    """Open the books, serve, close the books."""
    listener = listen(settings.http_host, settings.http_port)
    ledger, mishaps = Ledger.open(settings.data_dir), Mishaps()
    config = uvicorn.Config(
        create_app(ledger, mishaps),
        http=ClosableConnection,
        ws="none",
        lifespan="off",
        access_log=False,
        proxy_headers=False,
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    logging.get_logger().info("serving", port=settings.http_port, data_dir=str(settings.data_dir))
    await Server(config, on_stop=mishaps.hurry).serve([listener])
    await ledger.close()
    logging.get_logger().info("stopped")


def listen(host: str, port: int) -> socket.socket:
    """The bound socket. Stops the start with a sentence if the port cannot be had."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise SystemExit(f"cannot listen on {host}:{port}: {error.strerror}; set QS_HTTP_PORT to a free port") from None
    return listener


if __name__ == "__main__":
    settings = Settings.load()
    logging.configure("provider", settings.log_level)
    uvloop.run(serve(settings))
