"""A wire between a service and its server that can be cut, stopped, and made to lose an answer."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

Open = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class Wire:
    """Passes on what goes between its clients and a server. `listen` and `reach` are asyncio's, for the two ends."""

    def __init__(self, listen: Callable[[Any], Awaitable[asyncio.Server]], reach: Open) -> None:
        self._listen = listen
        self._reach = reach
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._losing = b""
        self._mute = self._hanging = self._refusing = False
        self.taken = self.lost = 0  # connections, and answers

    async def __aenter__(self) -> "Wire":
        self._server = await self._listen(self._connected)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.down()
        self._open.set()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    @property
    def port(self) -> int:
        """Where a wire over TCP listens."""
        return int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """Break every connection at once."""
        for writer in list(self._writers):
            writer.transport.abort()

    def down(self) -> None:
        """Break every connection and accept no new one, until the wire is entered again."""
        self._server.close()
        self.cut()

    def stop(self) -> None:
        """Pass nothing on in either direction; connections stay open."""
        self._open.clear()

    def lose_answers(self) -> None:
        """Pass nothing on that the server says; what it is told still reaches it."""
        self._mute = True

    def refuse(self) -> None:
        """Break every connection, and each new one at once, until `resume`."""
        self._refusing = True
        self.cut()

    def resume(self) -> None:
        """Pass on again."""
        self._mute = self._refusing = False
        self._open.set()

    def hang(self) -> None:
        """Take connections from now on and never say a word."""
        self._hanging = True

    def lose_answer_to(self, statement: bytes) -> None:
        """Let the next such statement reach the server, and cut the wire instead of passing on the answer."""
        self._losing = statement

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        self.taken += 1
        self._writers.add(writer)
        if self._hanging:
            return
        server_reader, server_writer = await self._reach()
        asked = asyncio.Event()
        self._writers.add(server_writer)
        for pump in (
            self._pump(reader, server_writer, asked, to_server=True),
            self._pump(server_reader, writer, asked, to_server=False),
        ):
            task = asyncio.create_task(pump)
            self._pumps.add(task)
            task.add_done_callback(self._pumps.discard)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: asyncio.Event, *, to_server: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._open.wait()
                if to_server and self._losing and self._losing in data:
                    self._losing = b""
                    asked.set()
                elif not to_server and asked.is_set():
                    self.lost += 1
                    self.cut()
                    return
                if self._mute and not to_server:
                    continue
                writer.write(data)
                await writer.drain()
        writer.close()
        self._writers.discard(writer)


def wire_to_postgres(directory: Path, server: Path, port: int) -> Wire:
    """From a Unix socket of its own, in `directory`, to the server's."""
    name = f".s.PGSQL.{port}"
    listen = partial(asyncio.start_unix_server, path=directory / name)
    return Wire(listen, partial(asyncio.open_unix_connection, server / name))


def wire_to_port(port: int) -> Wire:
    """From a TCP port of its own to the server's."""
    listen = partial(asyncio.start_server, host="127.0.0.1", port=0)
    return Wire(listen, partial(asyncio.open_connection, "127.0.0.1", port))
