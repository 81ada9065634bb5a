"""What was answered with 250 survives; what cannot be kept is not acknowledged; what cannot start says why."""

import asyncio
import resource
import subprocess
import sys
from pathlib import Path

import aiohttp
import aiosmtplib
import pytest

from mailsink.testing import RunningMailsink, environment, free_port


async def send(smtp: aiosmtplib.SMTP, name: str) -> None:
    mail = f"Message-ID: <{name}@example.com>\r\n\r\nA line.\r\n".encode()
    await smtp.sendmail("shop@example.com", "customer@example.com", mail)


async def send_without_end(sink: RunningMailsink, name: str, acknowledged: set[str]) -> None:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=sink.smtp_port) as smtp:
        for number in range(1_000_000):
            await send(smtp, f"{name}-{number}")
            acknowledged.add(f"{name}-{number}@example.com")


async def kept(sink: RunningMailsink) -> list[str]:
    async with (
        aiohttp.ClientSession(sink.url) as http,
        http.get("/api/v1/messages", params={"limit": 10_000}) as answer,
    ):
        return [message["MessageID"] for message in (await answer.json())["messages"]]


async def test_every_acknowledged_mail_survives_a_kill_under_load(tmp_path: Path) -> None:
    acknowledged: set[str] = set()
    with RunningMailsink(tmp_path) as sink:
        for round_number in range(3):
            before = len(acknowledged)
            senders = [
                asyncio.create_task(send_without_end(sink, f"{round_number}-{name}", acknowledged)) for name in "abcd"
            ]
            async with asyncio.timeout(10):
                while len(acknowledged) < before + 100:  # noqa: ASYNC110  any of the senders gets it there
                    await asyncio.sleep(0.005)
            sink.kill()
            await asyncio.gather(*senders, return_exceptions=True)
            sink.start()
        mails = await kept(sink)
    assert acknowledged <= set(mails)
    assert len(mails) == len(set(mails)), "and none of them became two"


async def test_sigterm_answers_what_it_keeps_and_exits_cleanly(tmp_path: Path) -> None:
    acknowledged: set[str] = set()
    with RunningMailsink(tmp_path) as sink:
        senders = [asyncio.create_task(send_without_end(sink, name, acknowledged)) for name in "abcd"]
        async with asyncio.timeout(10):
            while len(acknowledged) < 50:  # noqa: ASYNC110  any of the senders gets it there
                await asyncio.sleep(0.005)
        assert await asyncio.to_thread(sink.stop) == 0
        await asyncio.gather(*senders, return_exceptions=True)
        sink.start()
        assert set(await kept(sink)) == acknowledged, "nothing is kept that its sender was not told of"


async def test_a_mailbox_that_cannot_be_written_asks_the_sender_to_come_back(tmp_path: Path) -> None:
    with RunningMailsink(tmp_path) as sink:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=sink.smtp_port) as smtp:
            await send(smtp, "before")
            no_limit = resource.prlimit(sink.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(sink.pid, resource.RLIMIT_FSIZE, (4096, no_limit[1]))
            with pytest.raises(aiosmtplib.SMTPDataError) as refusal:
                await send(smtp, "refused")
            assert refusal.value.code == 451

            resource.prlimit(sink.pid, resource.RLIMIT_FSIZE, no_limit)
            await smtp.rset()
            await send(smtp, "after")
        assert await kept(sink) == ["after@example.com", "before@example.com"]


def start_and_fail(**settings: str) -> str:
    command = [sys.executable, "-m", "mailsink"]
    done = subprocess.run(command, env=environment(settings), capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr.strip()


async def test_a_taken_port_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    with RunningMailsink(tmp_path / "first") as running:
        settings = {"QS_HTTP_PORT": str(free_port()), "QS_DATA_DIR": str(tmp_path / "second")}
        said = await asyncio.to_thread(start_and_fail, QS_SMTP_PORT=str(running.smtp_port), **settings)
    taken = f"127.0.0.1:{running.smtp_port}"
    assert said == f"cannot listen on {taken}: Address already in use; set QS_SMTP_PORT to a free port"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"QS_DATA_DIR": "/tmp"}, "QS_SMTP_PORT is not set"),  # noqa: S108  never opened
        ({"QS_SMTP_PORT": "1"}, "QS_DATA_DIR is not set"),
        ({"QS_SMTP_PORT": "70000", "QS_DATA_DIR": "/tmp"}, "QS_SMTP_PORT"),  # noqa: S108  never opened
    ],
)
def test_wrong_settings_stop_the_start_with_a_sentence(settings: dict[str, str], named: str) -> None:
    said = start_and_fail(QS_HTTP_PORT=str(free_port()), **settings)
    assert named in said
    assert "\n" not in said


def test_a_directory_that_cannot_be_used_stops_the_start_with_a_sentence() -> None:
    ports = {"QS_HTTP_PORT": str(free_port()), "QS_SMTP_PORT": str(free_port())}
    said = start_and_fail(QS_DATA_DIR="/dev/null/mail", **ports)
    assert said.startswith("cannot open the mailbox in QS_DATA_DIR=/dev/null/mail: ")


def test_it_needs_no_more_than_its_own_dependencies() -> None:
    forbidden = (
        "fastapi",
        "sqlalchemy",
        "asyncpg",
        "aio_pika",
        "alembic",
        "prometheus_client",
        "aiohttp",
        "uuid_utils",
    )
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({forbidden}))\n"  # importing a module that is None fails
        "import mailsink.app, mailsink.smtp, mailsink.settings"
    )
    subprocess.run([sys.executable, "-c", program], env=environment({}), check=True, timeout=20)
