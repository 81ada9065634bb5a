"""The mail server over SMTP, on connections that are kept open: opening one for each mail costs more than the mail."""

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiosmtplib

from chassis.effects import TryLater
from chassis.parking import printable
from notification.templates import ENVELOPE_SENDER, Mail

LEAST = 200  # what is below is no reply: the client's own way to say that it could not read one
UNAVAILABLE = 421
PERMANENT = 500  # SMTP replies from here on say that trying again is of no use


@dataclass(frozen=True)
class Receipt:
    """What the server said: nothing to say if it took the mail, else its permanent refusal."""

    refusal: str | None = None


class Mailer:
    """Sends mails, each connection one at a time. Raises `TryLater` where the mail may not have arrived."""

    def __init__(self, host: str, port: int, timeout_seconds: float) -> None:
        self._host = host
        self._port = port
        self._timeout_seconds = timeout_seconds
        self._idle: list[aiosmtplib.SMTP] = []

    async def __aenter__(self) -> Self:
        """Connections are made as they are needed."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say goodbye on every idle connection."""
        await asyncio.gather(*(client.quit() for client in self._idle), return_exceptions=True)

    async def send(self, mail: Mail) -> Receipt:
        """Hand one mail over."""
        try:
            client = await self._take()
        except (aiosmtplib.SMTPException, OSError) as error:
            raise TryLater(f"cannot reach the mail server: {error}") from error
        try:
            await client.sendmail(ENVELOPE_SENDER, mail.recipient, mail.message)
        except aiosmtplib.SMTPRecipientsRefused as error:
            refused = error.recipients[0]
            return await self._answer(client, refused.code, refused.message)
        except aiosmtplib.SMTPResponseException as error:
            return await self._answer(client, error.code, error.message)
        except BaseException as error:
            client.close()
            if isinstance(error, aiosmtplib.SMTPException | OSError):
                raise TryLater(f"the mail server broke off: {error}") from error
            raise
        self._idle.append(client)
        return Receipt()

    async def _take(self) -> aiosmtplib.SMTP:
        """The connection that was used last, so that the others can time out; or a new one."""
        while self._idle:
            client = self._idle.pop()
            if client.is_connected:
                return client
        client = aiosmtplib.SMTP(hostname=self._host, port=self._port, timeout=self._timeout_seconds, start_tls=False)
        await client.connect()
        return client

    async def _answer(self, client: aiosmtplib.SMTP, code: int, message: str) -> Receipt:
        if code < LEAST:
            client.close()  # what it says from now on may be the answer to something else
            raise TryLater(f"the mail server does not speak SMTP: {printable(message)}")
        self._idle.append(client)
        reply = f"{code} {printable(message)}"
        if code < PERMANENT:
            # 421 is the server's own state; the others (mailbox busy, greylisted) are about this mail.
            raise TryLater(f"the mail server answered {reply}", alive=code != UNAVAILABLE)
        return Receipt(refusal=reply)
