"""The SMTP side: a 250 after DATA means the mail is on disk. Connections stay open for as many mails as a client has.

Recipients whose local part starts with `refused` are refused for good (550), so that a sender's handling of a
permanent refusal can be tried on any stack at any time.
"""

import asyncio
import socket
from typing import Any
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, Envelope, Session

from chassis.logging import get_logger
from mailsink.chaos import Chaos
from mailsink.mail import text
from mailsink.mailbox import Mailbox

SIZE_LIMIT_BYTES = 1024 * 1024
IDLE_LIMIT_SECONDS = 300  # the least RFC 5321 allows (4.5.3.2.7)
REFUSED_PREFIX = "refused"


class Receiver:
    """What happens to the commands of a mail; the names of the hooks are aiosmtpd's."""

    def __init__(self, mailbox: Mailbox, chaos: Chaos) -> None:
        self._mailbox = mailbox
        self._chaos = chaos
        self.storing = 0
        self.idle = asyncio.Event()
        self.idle.set()

    async def handle_MAIL(self, _: SMTP, __: Session, envelope: Envelope, sender: str, options: list[str]) -> str:  # noqa: N802
        """Take the sender, unless chaos strikes."""
        trigger = self._chaos.triggers.Sender
        if trigger.strikes():
            return f"{trigger.ErrorCode} Chaos sender error"
        envelope.mail_from = sender
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, recipient: str, options: list[str]) -> str:  # noqa: N802
        """Take a recipient, unless chaos strikes or it is one of the refused."""
        trigger = self._chaos.triggers.Recipient
        if trigger.strikes():
            return f"{trigger.ErrorCode} Chaos recipient error"
        if recipient.lower().startswith(REFUSED_PREFIX):
            return "550 5.1.1 Mailbox unavailable: this recipient is always refused"
        envelope.rcpt_tos.append(recipient)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the mail, then say so."""
        self.storing += 1
        self.idle.clear()
        try:
            raw = bytes(envelope.original_content or b"")
            number = await self._mailbox.keep(text(envelope.mail_from), envelope.rcpt_tos, raw)
        except Exception as error:  # noqa: BLE001  our own trouble, whatever it is: the client must try again, not give up
            get_logger().error("a mail could not be kept", error=f"{type(error).__name__}: {error}")
            return "451 4.3.0 Not kept, try again later"
        finally:
            self.storing -= 1
            if not self.storing:
                self.idle.set()
        return f"250 2.0.0 Ok: kept as {number}"

    async def handle_exception(self, error: Exception) -> str:
        """The parser of addresses stumbles over some wrong ones: they are as wrong the next time."""
        get_logger().warning("a command could not be read", error=f"{type(error).__name__}: {error}")
        return "501 5.5.4 The command cannot be read"


class SmtpServer:
    """The listener and its open connections."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._connections: WeakSet[SMTP] = WeakSet()
        self._server: asyncio.Server | None = None

    async def start(self, listener: socket.socket) -> None:
        """Take connections."""
        self._server = await asyncio.get_running_loop().create_server(self._connect, sock=listener)

    async def stop(self) -> None:
        """Take no more, answer the mails that are being stored, then close what is open."""
        assert self._server is not None
        self._server.close()
        while self._receiver.storing:  # another mail may have come in before we were woken
            await self._receiver.idle.wait()
        for connection in self._connections:
            if connection.transport is not None:
                connection.transport.close()

    def _connect(self) -> Any:
        connection = SMTP(
            self._receiver,
            data_size_limit=SIZE_LIMIT_BYTES,
            enable_SMTPUTF8=True,
            hostname="mailsink",
            ident="Quicksand mail sink",
            timeout=IDLE_LIMIT_SECONDS,
            loop=asyncio.get_running_loop(),
        )
        self._connections.add(connection)
        return connection
