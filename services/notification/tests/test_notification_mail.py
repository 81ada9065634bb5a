"""A mail server that says odd things: a refusal keeps its meaning, and a connection out of step is not used again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from chassis.effects import TryLater
from notification.mail import Mailer
from notification.templates import Mail

MAIL = Mail("somebody@customers.example", b"Subject: hello\r\n\r\nhello\r\n")
ANSWERS = {b"MAIL": b"250 ok", b"DATA": b"354 go on", b"QUIT": b"221 bye"}


class Scripted:
    """An SMTP server that answers the first recipients with these replies, and takes every later one."""

    def __init__(self, *replies: bytes) -> None:
        self._replies = list(replies)
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        writer.write(b"220 scripted\r\n")
        while line := await reader.readline():
            writer.write(self._answer(line[:4].upper()) + b"\r\n")
            if line.upper().startswith(b"DATA"):
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(b"250 taken\r\n")
        writer.close()

    def _answer(self, verb: bytes) -> bytes:
        if verb == b"RCPT" and self._replies:
            return self._replies.pop(0)
        return ANSWERS.get(verb, b"250 ok")


Open = Callable[[Scripted], Awaitable[Mailer]]


@pytest.fixture
async def to() -> AsyncIterator[Open]:
    """Makes a mailer that talks to this server."""
    async with AsyncExitStack() as stack:

        async def opened(server: Scripted) -> Mailer:
            listening = await stack.enter_async_context(await asyncio.start_server(server.serve, "127.0.0.1", 0))
            port = listening.sockets[0].getsockname()[1]
            return await stack.enter_async_context(Mailer("127.0.0.1", port, timeout_seconds=10))

        yield opened


async def test_a_temporary_refusal_in_another_encoding_is_tried_later(to: Open) -> None:
    mailer = await to(Scripted(b"450 Bo\xeete pleine"))
    with pytest.raises(TryLater, match=r"answered 450 Bo\?te pleine"):
        await mailer.send(MAIL)
    assert (await mailer.send(MAIL)).refusal is None


async def test_a_permanent_refusal_in_another_encoding_is_a_refusal_that_can_be_kept(to: Open) -> None:
    mailer = await to(Scripted(b"550 Bo\xeete ferm\xe9e"))
    assert (await mailer.send(MAIL)).refusal == "550 Bo?te ferm?e"


async def test_after_what_is_no_reply_the_next_mail_goes_over_another_connection(to: Open) -> None:
    server = Scripted(b"hello")
    mailer = await to(server)
    with pytest.raises(TryLater, match="does not speak SMTP"):
        await mailer.send(MAIL)
    assert (await mailer.send(MAIL)).refusal is None
    assert server.connections == 2
