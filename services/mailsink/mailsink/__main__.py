"""`python -m mailsink`: take mail and show it, in one event loop, until SIGTERM; finish what was accepted, exit 0."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from logging import WARNING, getLogger

import uvicorn
import uvloop

from chassis import logging
from mailsink.app import create_app
from mailsink.chaos import Chaos
from mailsink.mailbox import Mailbox
from mailsink.settings import Settings
from mailsink.smtp import Receiver, SmtpServer

KEEP_ALIVE_SECONDS = (
    75  # longer than a client's own limit, so that the client closes first and never meets a closed one
)
GRACE_SECONDS = 5


class HttpServer(uvicorn.Server):
    """uvicorn raises the stopping signal again after its clean stop; here a clean stop is a clean exit."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.handle_exit, number, None)
        yield


async def serve(settings: Settings) -> None:
    """Open the mailbox, take mail and show it, close the mailbox."""
    http_listener = listen(settings.http_host, settings.http_port, "QS_HTTP_PORT")
    smtp_listener = listen(settings.http_host, settings.smtp_port, "QS_SMTP_PORT")
    mailbox, chaos = Mailbox.open(settings.data_dir), Chaos()
    smtp = SmtpServer(Receiver(mailbox, chaos))
    await smtp.start(smtp_listener)
    config = uvicorn.Config(
        create_app(mailbox, chaos),
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        proxy_headers=False,
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    logging.get_logger().info("serving", http=settings.http_port, smtp=settings.smtp_port, data=str(settings.data_dir))
    await HttpServer(config).serve([http_listener])
    await smtp.stop()
    await mailbox.close()
    logging.get_logger().info("stopped")


def listen(host: str, port: int, setting: str) -> socket.socket:
    """The bound socket. Stops the start with a sentence if the port cannot be had."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise SystemExit(f"cannot listen on {host}:{port}: {error.strerror}; set {setting} to a free port") from None
    return listener


if __name__ == "__main__":
    settings = Settings.load()
    logging.configure("mailsink", settings.log_level)
    getLogger("mail.log").setLevel(WARNING)  # aiosmtpd tells every command of every mail at info
    uvloop.run(serve(settings))
