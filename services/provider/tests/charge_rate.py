"""How many charges a second the provider takes, alone.

`python services/provider/tests/charge_rate.py [charges] [connections]`

Each connection stays open and sends charge after charge (closed loop). Prints the rate, latencies and the provider's
own CPU time per charge.
"""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

from provider.testing import RunningProvider

BODY = b'{"amount_cents": 1250, "currency": "EUR", "payment_token": "tok_ok"}'
REQUEST = (
    b"POST /v1/charges HTTP/1.1\r\nHost: provider\r\nIdempotency-Key: %s\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" + BODY
)


class Merchant(asyncio.Protocol):
    """One connection: the next charge goes out when the last is answered."""

    def __init__(self, keys: list[bytes], latencies: list[float]) -> None:
        self._keys, self._latencies = keys, latencies
        self._received = b""
        self._started = 0.0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._charge()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._received.endswith(b"}"):
            return
        assert self._received.startswith(b"HTTP/1.1 201"), self._received
        self._latencies.append(time.perf_counter() - self._started)
        self._received = b""
        self._charge()

    def _charge(self) -> None:
        if not self._keys:
            self._transport.close()
            self.done.set_result(None)
            return
        self._started = time.perf_counter()
        self._transport.write(REQUEST % (self._keys.pop(), len(BODY)))


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(charges: int, connections: int) -> None:
    loop = asyncio.get_running_loop()
    keys, latencies = [str(uuid4()).encode() for _ in range(charges)], list[float]()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory, RunningProvider(Path(directory)) as provider:
        cpu, started = cpu_seconds(provider.pid), time.monotonic()
        merchants = [
            (await loop.create_connection(lambda: Merchant(keys, latencies), "127.0.0.1", provider.port))[1]
            for _ in range(connections)
        ]
        await asyncio.gather(*(merchant.done for merchant in merchants))
        seconds, cpu = time.monotonic() - started, cpu_seconds(provider.pid) - cpu
    latencies.sort()
    p50, p99 = (1000 * latencies[int(len(latencies) * part)] for part in (0.5, 0.99))
    print(f"{charges / seconds:.0f} charges/s over {connections} connections, {1000 * cpu / charges:.2f} CPU ms each,")
    print(f"answered in {p50:.1f} ms (median), {p99:.1f} ms (99 of 100)")


if __name__ == "__main__":
    chosen = [int(argument) for argument in sys.argv[1:]] + [10_000, 32][len(sys.argv) - 1 :]
    asyncio.run(measure(*chosen))
