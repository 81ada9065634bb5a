"""A cheap HTTP client: the generator shares the machine with what it measures, so it must cost next to nothing.

One kept-open connection carries one request at a time, written as ready-made bytes; of an answer it reads the status,
the body's length and the body.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, cast

HEAD_END = b"\r\n\r\n"
LENGTH = b"\r\ncontent-length:"


class BrokenOffError(ConnectionError):
    """The connection was closed before the answer was complete: what became of the request is not known."""


@dataclass(frozen=True)
class Answer:
    """An answer's status and body."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._received = b""

    async def request(self, content: bytes) -> Answer:
        """Send a request and wait for its answer. Raises `BrokenOffError`."""
        if self._transport is None or self._transport.is_closing():
            raise BrokenOffError("the connection is closed")
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(content)
        return await self._waiter

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._received += data
        head, found, body = self._received.partition(HEAD_END)
        if not found or len(body) < _length(head):
            return
        self._received = b""
        self.answered(Answer(int(head[9:12]), body))

    def answered(self, answer: Answer) -> None:
        """An answer is whole: wakes who waits for it."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        """Called by asyncio."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(BrokenOffError(str(error or "closed by the other side")))


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(LENGTH)
    return int(rest.partition(b"\r\n")[0]) if found else 0


async def connect(host: str, port: int) -> Connection:
    """A connection. Raises `SystemExit` with a sentence where nobody listens."""
    try:
        _, connection = await asyncio.get_running_loop().create_connection(Connection, host, port)
    except OSError as error:
        raise SystemExit(
            f"nothing answers at {host}:{port} ({error.strerror}): start the stack with: make up"
        ) from None
    return connection


def request(method: str, path: str, body: object = None, **headers: str) -> bytes:
    """A request's bytes; `idempotency_key` becomes the header `idempotency-key`."""
    content = b"" if body is None else json.dumps(body).encode()
    fields = {"host": "bench", "content-type": "application/json", "content-length": str(len(content)), **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode() + content
