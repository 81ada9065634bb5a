"""How many mails a second the sink keeps, alone: `python services/mailsink/tests/mail_rate.py [mails] [connections]`.

Each connection sends mail after mail (closed loop). Prints the rate and the sink's own CPU time per mail.
"""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from mailsink.testing import RunningMailsink

MAIL = (
    b"From: Shop <shop@example.com>\r\nTo: customer@example.com\r\nSubject: Your order is confirmed\r\n"
    b"Message-ID: <%d@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    + b"One of several lines of a mail of the usual size.\r\n" * 30
    + b".\r\n"
)


async def send_mails(port: int, numbers: list[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def say(command: bytes, expected: bytes) -> None:
        writer.write(command)
        line = await reader.readline()
        while line[3:4] == b"-":
            line = await reader.readline()
        assert line.startswith(expected), line

    await say(b"", b"220")
    await say(b"EHLO rate\r\n", b"250")
    while numbers:
        mail = MAIL % numbers.pop()
        await say(b"MAIL FROM:<shop@example.com> SIZE=1800\r\n", b"250")
        await say(b"RCPT TO:<customer@example.com>\r\n", b"250")
        await say(b"DATA\r\n", b"354")
        await say(mail, b"250")
    writer.close()
    await writer.wait_closed()


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(mails: int, connections: int) -> None:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory, RunningMailsink(Path(directory)) as sink:
        numbers, cpu, started = list(range(mails)), cpu_seconds(sink.pid), time.monotonic()
        await asyncio.gather(*(send_mails(sink.smtp_port, numbers) for _ in range(connections)))
        seconds, cpu = time.monotonic() - started, cpu_seconds(sink.pid) - cpu
    print(f"{mails / seconds:.0f} mails/s over {connections} connections, {1000 * cpu / mails:.2f} CPU ms each")


if __name__ == "__main__":
    chosen = [int(argument) for argument in sys.argv[1:]] + [3000, 8][len(sys.argv) - 1 :]
    asyncio.run(measure(*chosen))
