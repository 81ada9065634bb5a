"""A TCP proxy in front of a server, to count what is under way, or to swallow an answer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

from native.ports import HOST

CHUNK_BYTES = 65536


class Link:
    """One connection through the proxy. Its user may look at what passes, and cut it."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._client = client
        self._server = server
        self.busy = False  # asked something and not answered yet

    def cut(self) -> None:
        """Close the client's side: what the server answers from now on, nobody hears."""
        self._client.close()

    def close(self) -> None:
        """Close both sides."""
        self._client.close()
        self._server.close()


class Proxy:
    """Passes everything on. `on_request` and `on_answer` see each chunk before it is passed on."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self.links: set[Link] = set()
        self.on_request: Callable[[Link, bytes], None] = lambda _, __: None
        self.on_answer: Callable[[Link, bytes], None] = lambda _, __: None

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def open(self) -> None:
        """Listen on a port of the system's choice."""
        self._server = await asyncio.start_server(self._serve, HOST, 0)

    def close(self) -> None:
        """Refuse connections from now on, and end those that there are."""
        assert self._server is not None
        self._server.close()
        for link in list(self.links):
            link.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, server = await asyncio.open_connection(HOST, self._target)
        except OSError:
            writer.close()
            return
        link = Link(writer, server)
        self.links.add(link)
        try:
            back = asyncio.create_task(_pass_on(answers, writer, partial(self._answered, link)))
            await _pass_on(reader, server, partial(self._asked, link))
            await back
        finally:
            link.close()
            self.links.discard(link)

    def _asked(self, link: Link, content: bytes) -> None:
        link.busy = True
        self.on_request(link, content)

    def _answered(self, link: Link, content: bytes) -> None:
        link.busy = False
        self.on_answer(link, content)


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter, see: Callable[[bytes], None]) -> None:
    """Until one side is closed; then the other is, too."""
    with suppress(OSError):
        while content := await source.read(CHUNK_BYTES):
            see(content)
            target.write(content)
            await target.drain()
    target.close()


@asynccontextmanager
async def proxied(target: int) -> AsyncIterator[Proxy]:
    """A proxy in front of this port."""
    proxy = Proxy(target)
    await proxy.open()
    try:
        yield proxy
    finally:
        proxy.close()
