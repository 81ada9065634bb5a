"""HTTP as the tests need it: an answer kept as a value, and requests sent exactly as written, however odd they are."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

PROBLEM = "application/problem+json"
RAW_TIMEOUT_SECONDS = 15


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.text)

    @property
    def is_problem(self) -> bool:
        """Whether it is a problem document that carries its own status and says something."""
        if self.headers.get("Content-Type", "").partition(";")[0] != PROBLEM:
            return False
        document = self.json()
        return document["status"] == self.status and bool(document["title"]) and bool(document["detail"])


async def send(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes | AsyncIterator[bytes] | None = None,
) -> Answer:
    """One request; the URL goes out as it is, and a redirect comes back as one."""
    target = URL(url, encoded=True)
    data = io.BytesIO(content) if isinstance(content, bytes) else content
    async with session.request(method, target, data=data, headers=headers, allow_redirects=False) as answer:
        return Answer(answer.status, answer.headers.copy(), await answer.text())


async def send_raw(port: int, content: bytes) -> Answer:
    """Bytes that no client library would send; the other side has to close the connection after its answer."""
    async with asyncio.timeout(RAW_TIMEOUT_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(content)
        received = await reader.read()
        writer.close()
        await writer.wait_closed()
    head, _, body = received.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    fields = (line.partition(": ") for line in lines)
    return Answer(int(status_line.split()[1]), {name.title(): value for name, _, value in fields}, body.decode())
