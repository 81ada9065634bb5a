"""What a sender can rely on, asked of the real process over SMTP."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiohttp
import aiosmtplib
import pytest

from mailsink.smtp import SIZE_LIMIT_BYTES
from mailsink.testing import RunningMailsink


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMailsink]:
    with RunningMailsink(Path(tmp_path_factory.mktemp("mailsink"))) as running:
        yield running


@pytest.fixture
async def http(sink: RunningMailsink) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(sink.url) as session:
        yield session
        async with session.delete("/api/v1/messages"), session.put("/api/v1/chaos", json={}):
            pass


@pytest.fixture
async def smtp(sink: RunningMailsink) -> AsyncIterator[aiosmtplib.SMTP]:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=sink.smtp_port) as client:
        yield client


def mail(message_id: str = "<one@example.com>", to: str = "customer@example.com") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = "Shop <shop@example.com>", to
    message["Subject"], message["Message-ID"] = "Your order", message_id
    message.set_content("It is confirmed.\n.\nA line that was a dot is above.\n")
    return message


async def kept(http: aiohttp.ClientSession) -> list[dict[str, Any]]:
    async with http.get("/api/v1/messages", params={"limit": 1000}) as response:
        messages: list[dict[str, Any]] = (await response.json())["messages"]
        return messages


async def set_chaos(http: aiohttp.ClientSession, **triggers: Any) -> None:
    async with http.put("/api/v1/chaos", json=triggers) as response:
        assert response.status == 200


async def test_one_connection_carries_many_mails(smtp: aiosmtplib.SMTP, http: aiohttp.ClientSession) -> None:
    for number in range(50):
        await smtp.send_message(mail(f"<{number}@example.com>"))
    assert [message["MessageID"] for message in await kept(http)] == [f"{n}@example.com" for n in reversed(range(50))]


async def test_a_mail_sent_twice_is_kept_twice(smtp: aiosmtplib.SMTP, http: aiohttp.ClientSession) -> None:
    await smtp.send_message(mail())
    await smtp.send_message(mail())

    async with http.get("/api/v1/search", params={"query": "message-id:one@example.com"}) as response:
        found = await response.json()
    assert found["messages_count"] == 2
    assert len({message["ID"] for message in found["messages"]}) == 2


async def test_a_refused_recipient_is_refused_for_good(smtp: aiosmtplib.SMTP, http: aiohttp.ClientSession) -> None:
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refusal:
        await smtp.send_message(mail(to="Refused-7@example.com"))
    assert refusal.value.recipients[0].code == 550
    assert await kept(http) == []

    await smtp.send_message(mail(to="not-refused@example.com"))
    assert len(await kept(http)) == 1, "the connection goes on"


async def test_the_other_recipients_of_a_mail_still_get_it(smtp: aiosmtplib.SMTP, http: aiohttp.ClientSession) -> None:
    refused, _ = await smtp.send_message(mail(), recipients=["refused@example.com", "customer@example.com"])
    assert list(refused) == ["refused@example.com"]
    assert len(await kept(http)) == 1


async def test_a_mail_over_the_size_limit_is_refused_and_the_connection_goes_on(
    smtp: aiosmtplib.SMTP, http: aiohttp.ClientSession
) -> None:
    await smtp.ehlo()
    assert smtp.esmtp_extensions["size"] == str(SIZE_LIMIT_BYTES)
    large = b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\nxx" * (SIZE_LIMIT_BYTES // 4)

    with pytest.raises(aiosmtplib.SMTPSenderRefused) as announced:
        await smtp.sendmail("shop@example.com", "customer@example.com", large)
    await smtp.rset()
    await smtp.mail("shop@example.com")
    await smtp.rcpt("customer@example.com")
    with pytest.raises(aiosmtplib.SMTPDataError) as sent:
        await smtp.data(large)

    assert (announced.value.code, sent.value.code) == (552, 552)
    await smtp.send_message(mail())
    assert len(await kept(http)) == 1


@pytest.mark.parametrize(
    ("trigger", "refusal"),
    [("Sender", aiosmtplib.SMTPSenderRefused), ("Recipient", aiosmtplib.SMTPRecipientsRefused)],
)
@pytest.mark.parametrize("code", [451, 550])
async def test_chaos_answers_with_its_error_and_keeps_nothing(
    smtp: aiosmtplib.SMTP, http: aiohttp.ClientSession, trigger: str, refusal: type[Exception], code: int
) -> None:
    await set_chaos(http, **{trigger: {"ErrorCode": code, "Probability": 100}})
    with pytest.raises(refusal, match=str(code)):
        await smtp.send_message(mail())
    assert await kept(http) == []

    await set_chaos(http)
    await smtp.send_message(mail())
    assert len(await kept(http)) == 1, "chaos that is left out is over"


async def test_chaos_of_half_strikes_about_half_of_the_time(smtp: aiosmtplib.SMTP, http: aiohttp.ClientSession) -> None:
    await set_chaos(http, Sender={"ErrorCode": 451, "Probability": 50})
    codes = []
    for _ in range(200):
        try:
            codes.append((await smtp.mail("shop@example.com")).code)
        except aiosmtplib.SMTPResponseException as error:
            codes.append(error.code)
        await smtp.rset()
    assert set(codes) == {250, 451}
    assert 50 < codes.count(451) < 150  # seven standard deviations on either side


async def test_whatever_bytes_a_mail_has_are_kept_and_shown(smtp: aiosmtplib.SMTP, http: aiohttp.ClientSession) -> None:
    nasty = (
        b"From: \xff\xfe <a@b\xff>\r\nTo: =?nonsense?q?=FF?= <x@y>, , \r\nSubject: =?utf-8?b?//8=?= \xe9\x00\r\n"
        b"Message-ID: no brackets\r\nDate: someday\r\nContent-Type: text/plain; charset=nonsense\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n\xff\x00=\r\n"
    )
    await smtp.sendmail("shop@example.com", "customer@example.com", nasty)
    await smtp.sendmail("shop@example.com", "customer@example.com", b"")

    empty, shown = await kept(http)
    assert (empty["Subject"], empty["Bcc"]) == ("", [{"Name": "", "Address": "customer@example.com"}])
    assert shown["MessageID"] == "no brackets"
    for message in (empty, shown):
        async with http.get(f"/api/v1/message/{message['ID']}") as response:
            assert response.status == 200


async def test_a_mail_cut_off_by_its_sender_is_not_kept(
    sink: RunningMailsink, smtp: aiosmtplib.SMTP, http: aiohttp.ClientSession
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", sink.smtp_port)
    for line in (b"EHLO test", b"MAIL FROM:<a@example.com>", b"RCPT TO:<b@example.com>", b"DATA"):
        writer.write(line + b"\r\n")
    await reader.readuntil(b"354 ")
    writer.write(b"Subject: half a ma")
    writer.transport.abort()  # a reset: what a killed client leaves behind

    await smtp.send_message(mail())
    assert [message["MessageID"] for message in await kept(http)] == ["one@example.com"]


@pytest.mark.parametrize(
    "command", [b"RCPT TO:<no-at", b"MAIL FROM:nobody@", b"NONSENSE", b"DATA", b"\xff\xfe", b"x" * 5000]
)
async def test_a_wrong_command_is_answered_with_a_5xx_and_the_connection_goes_on(
    sink: RunningMailsink, command: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", sink.smtp_port)
    await reader.readline()
    writer.write(b"HELO test\r\n" + command + b"\r\nNOOP\r\n")
    answers = [await reader.readline() for _ in range(3)]
    writer.close()
    await writer.wait_closed()

    assert answers[0].startswith(b"250")
    assert re.match(rb"5\d\d ", answers[1])
    assert answers[2].startswith(b"250")
