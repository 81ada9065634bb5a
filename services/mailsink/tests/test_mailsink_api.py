"""The HTTP side: Mailpit's shapes, so that a check written for one works with the other."""

from collections.abc import AsyncIterator, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiohttp
import aiosmtplib
import pytest

from mailsink.testing import RunningMailsink


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMailsink]:
    with RunningMailsink(Path(tmp_path_factory.mktemp("mailsink"))) as running:
        yield running


@pytest.fixture
async def http(sink: RunningMailsink) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a sink that holds three mails."""
    async with aiohttp.ClientSession(sink.url) as session:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=sink.smtp_port) as smtp:
            for number in (1, 2, 3):
                await smtp.send_message(mail(number))
        yield session
        async with session.delete("/api/v1/messages"):
            pass


def mail(number: int) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = "Shöp <shop@example.com>", f"customer-{number}@example.com"
    message["Cc"], message["Bcc"] = "copy@example.com", "blind@example.com"
    message["Subject"], message["Message-ID"] = (
        f"Order {number} is confirmed: 100 %",
        f"<{number}.confirmed@example.com>",
    )
    message["Date"] = "Sat, 21 Nov 2026 07:00:00 +0100"
    message.set_content("Dear customer, it is confirmed.\n")
    message.add_alternative("<p>Dear customer</p>\n", subtype="html")
    message.add_attachment(b"ticket", maintype="application", subtype="pdf", filename="ticket.pdf")
    return message


async def get(http: aiohttp.ClientSession, path: str, **params: Any) -> Any:
    async with http.get(path, params=params) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def found(http: aiohttp.ClientSession, query: str) -> list[str]:
    page = await get(http, "/api/v1/search", query=query)
    assert (page["total"], page["messages_count"]) == (3, len(page["messages"]))
    return [message["MessageID"][0] for message in page["messages"]]


async def test_a_list_shows_the_newest_first_with_mailpits_fields(http: aiohttp.ClientSession) -> None:
    page = await get(http, "/api/v1/messages")

    newest = page.pop("messages")[0]
    assert page == {
        "total": 3,
        "unread": 3,
        "count": 3,
        "messages_count": 3,
        "messages_unread": 3,
        "start": 0,
        "tags": [],
    }
    assert newest.pop("ID").isalnum()
    assert newest.pop("Created").endswith("+00:00")
    assert newest.pop("Size") > 500
    assert newest == {
        "MessageID": "3.confirmed@example.com",
        "Read": False,
        "From": {"Name": "Shöp", "Address": "shop@example.com"},
        "To": [{"Name": "", "Address": "customer-3@example.com"}],
        "Cc": [{"Name": "", "Address": "copy@example.com"}],
        "Bcc": [{"Name": "", "Address": "blind@example.com"}],
        "ReplyTo": [],
        "Subject": "Order 3 is confirmed: 100 %",
        "Tags": [],
    }


async def test_pages_cover_every_mail_once(http: aiohttp.ClientSession) -> None:
    pages = [await get(http, "/api/v1/messages", start=start, limit=2) for start in (0, 2, 4)]
    assert [[message["MessageID"][0] for message in page["messages"]] for page in pages] == [["3", "2"], ["1"], []]


async def test_one_mail_is_shown_with_its_texts_and_is_then_read(http: aiohttp.ClientSession) -> None:
    listed = (await get(http, "/api/v1/messages", limit=1))["messages"][0]

    shown = await get(http, f"/api/v1/message/{listed['ID']}")

    assert (shown["ID"], shown["MessageID"], shown["Subject"]) == (listed["ID"], listed["MessageID"], listed["Subject"])
    assert (shown["Text"].strip(), shown["HTML"].strip()) == ("Dear customer, it is confirmed.", "<p>Dear customer</p>")
    assert (shown["Date"], shown["ReturnPath"]) == ("2026-11-21T06:00:00+00:00", "shop@example.com")
    (attachment,) = shown["Attachments"]
    assert (attachment["FileName"], attachment["ContentType"], attachment["Size"]) == (
        "ticket.pdf",
        "application/pdf",
        6,
    )
    assert (await get(http, "/api/v1/message/latest"))["ID"] == listed["ID"]
    assert (await get(http, "/api/v1/messages"))["unread"] == 2
    assert await found(http, "is:read") == ["3"]


@pytest.mark.parametrize("identifier", ["1", "9" * 22, "0" * 22, "no-such-mail", "x" * 1000])
async def test_an_unknown_mail_is_404(http: aiohttp.ClientSession, identifier: str) -> None:
    async with http.get(f"/api/v1/message/{identifier}") as response:
        assert response.status == 404


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("message-id:2.confirmed@example.com", ["2"]),
        ("message-id:<2.confirmed@example.com>", ["2"]),
        ('message-id:"2.CONFIRMED@example.com"', ["2"]),
        ("message-id:.confirmed@", ["3", "2", "1"]),
        ("message-id:_.confirmed@", []),
        ("to:customer-1@example.com", ["1"]),
        ("to:copy@example.com", []),
        ("cc:copy@example.com -to:customer-1", ["3", "2"]),
        ('subject:"Order 2 is" is:unread', ["2"]),
        ("subject:100% !subject:3", []),
        ('subject:"100 %"', ["3", "2", "1"]),
        ("from:shöp", ["3", "2", "1"]),
    ],
)
async def test_a_search_finds_what_matches_all_terms(
    http: aiohttp.ClientSession, query: str, expected: list[str]
) -> None:
    assert await found(http, query) == expected


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/api/v1/search", "no search query"),
        ("/api/v1/search?query=confirmed", "cannot search for 'confirmed'"),
        ("/api/v1/search?query=tag:x", "cannot search for 'tag:x'"),
        ("/api/v1/search?query=is:lost", "cannot search for 'is:lost'"),
        ("/api/v1/messages?limit=-1", "limit must be"),
        ("/api/v1/messages?limit=10001", "limit must be"),
        ("/api/v1/messages?start=x", "start must be"),
        ("/api/v1/messages?start=99999999999999999999", "start must be"),
    ],
)
async def test_a_question_that_cannot_be_answered_is_refused_with_a_reason(
    http: aiohttp.ClientSession, path: str, named: str
) -> None:
    async with http.get(path) as response:
        assert response.status == 400
        assert named in await response.text()


async def test_mails_are_deleted_by_id_or_all_at_once_and_ids_are_not_used_again(http: aiohttp.ClientSession) -> None:
    _, second, _ = (await get(http, "/api/v1/messages"))["messages"]

    async with http.delete("/api/v1/messages", json={"IDs": [second["ID"], "no-such-mail"]}) as response:
        assert (response.status, await response.text()) == (200, "ok")
    assert [message["MessageID"][0] for message in (await get(http, "/api/v1/messages"))["messages"]] == ["3", "1"]
    async with http.delete("/api/v1/messages") as response:
        assert response.status == 200
    assert (await get(http, "/api/v1/messages"))["total"] == 0


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"IDs": 5}'])
async def test_a_wrong_delete_deletes_nothing(http: aiohttp.ClientSession, body: bytes) -> None:
    async with http.delete("/api/v1/messages", data=body) as response:
        assert response.status == 400
    assert (await get(http, "/api/v1/messages"))["total"] == 3


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"Sender": {"ErrorCode": 399, "Probability": 5}}, "Sender.ErrorCode"),
        ({"Recipient": {"ErrorCode": 600}}, "Recipient.ErrorCode"),
        ({"Recipient": {"Probability": 101}}, "Recipient.Probability"),
        ({"Sender": {"Probability": "often"}}, "Sender.Probability"),
        ({"Reciever": {}}, "Reciever"),
        ("nonsense", "Input should be an object"),
    ],
)
async def test_wrong_chaos_is_named_and_changes_nothing(http: aiohttp.ClientSession, body: Any, named: str) -> None:
    async with http.put("/api/v1/chaos", json=body) as response:
        assert response.status == 400
        assert named in await response.text()
    assert await get(http, "/api/v1/chaos") == {
        "Sender": {"ErrorCode": 451, "Probability": 0},
        "Recipient": {"ErrorCode": 451, "Probability": 0},
        "Authentication": {"ErrorCode": 535, "Probability": 0},
    }


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_it_says_that_it_is_well(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path) as response:
        assert (response.status, await response.text()) == (200, "ok")
