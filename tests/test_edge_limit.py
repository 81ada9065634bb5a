"""One address that floods the edge is refused there, in its turn let in again, and nobody else notices."""

import asyncio
import json
import time

from native import Stack
from outside.shop import Shop

FLOODER = "127.0.0.77"
PER_TEN_SECONDS = 20_000  # as in haproxy.cfg
PIPELINED = 500
REQUEST = b"GET /nothing HTTP/1.1\r\nHost: shop\r\n\r\n"
ANSWER, END = b"HTTP/1.1 ", b"}"  # the first and the last bytes of each, and nowhere else in it
CHUNK_BYTES = 65536
LIMIT_SECONDS = 60


async def flood(port: int) -> bytes:
    """Ask for what does not exist until that is refused; the last answer."""
    deadline = time.monotonic() + LIMIT_SECONDS
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(FLOODER, 0))
    seen = b""
    while b"HTTP/1.1 429" not in seen:
        assert time.monotonic() < deadline, f"never refused: asks for more than {PER_TEN_SECONDS} in ten seconds?"
        writer.write(REQUEST * PIPELINED)
        seen = b""
        while seen.count(END) < PIPELINED:  # not one by one: a slow machine must be quicker than the limit, too
            chunk = await reader.read(CHUNK_BYTES)
            assert chunk, "the edge has closed the connection"
            seen += chunk
    writer.close()
    await writer.wait_closed()
    return seen[seen.rindex(ANSWER) :]


async def test_an_address_that_floods_the_edge_is_refused_with_the_time_to_wait_and_others_are_served(
    stack: Stack, shop: Shop
) -> None:
    head, _, body = (await flood(stack.ports["edge"])).partition(b"\r\n\r\n")
    assert b"retry-after: 10" in head.lower()
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == 429
    assert (await shop.ask("GET", "/products")).status == 200
