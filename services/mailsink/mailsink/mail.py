"""Reading a mail as it came over the wire. Nothing a client sends makes it fail: what cannot be decoded is replaced."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

ADDRESS_HEADERS = {"From": "From", "To": "To", "Cc": "Cc", "Bcc": "Bcc", "Reply-To": "ReplyTo"}
Address = dict[str, str]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a list of mails shows of one. `addresses` by the names the API gives them; `From` has at most one."""

    message_id: str
    subject: str
    addresses: dict[str, list[Address]]


def summarise(raw: bytes, recipients: list[str]) -> Summary:
    """The summary of a mail, from its headers only. Recipients that no header names were blind copies."""
    head, _, _ = raw.partition(b"\r\n\r\n")
    headers = BytesHeaderParser().parsebytes(head + b"\r\n\r\n")
    addresses = {name: _addresses(headers, header) for header, name in ADDRESS_HEADERS.items()}
    addresses["From"] = addresses["From"][:1]
    named = {address["Address"].lower() for name in ("To", "Cc", "Bcc") for address in addresses[name]}
    addresses["Bcc"] += [{"Name": "", "Address": text(one)} for one in recipients if one.lower() not in named]
    message_id = _header(headers, "Message-ID").strip().removeprefix("<").removesuffix(">")
    return Summary(message_id, _header(headers, "Subject"), addresses)


def read_body(raw: bytes) -> dict[str, Any]:
    """The texts and attachments of a mail, and its date if it has one."""
    message = message_from_bytes(raw)
    texts = {"text/plain": "", "text/html": ""}
    attachments = []
    for number, part in enumerate(message.walk()):
        if part.is_multipart():
            continue
        kind = part.get_content_type()
        if part.get_content_disposition() == "attachment" or kind not in texts:
            attachments.append(_attachment(part, number))
        else:
            texts[kind] += _decoded(part)
    return {
        "Text": texts["text/plain"],
        "HTML": texts["text/html"],
        "Date": _date(message),
        "Attachments": attachments,
    }


def text(value: object) -> str:
    """Text that can be stored and sent: what is not valid Unicode is replaced."""
    return str(value).encode("utf-8", "replace").decode()


def _header(headers: Message, name: str) -> str:
    return _words(headers.get(name, ""))


def _addresses(headers: Message, name: str) -> list[Address]:
    found = getaddresses([str(value) for value in headers.get_all(name, [])])
    return [{"Name": _words(name), "Address": text(address)} for name, address in found if address]


def _words(value: object) -> str:
    """Header text with its encoded words (RFC 2047) decoded, if they can be."""
    if "=?" not in str(value):
        return text(value)
    try:
        return text(make_header(decode_header(str(value))))
    except (MessageError, LookupError, ValueError):
        return text(value)


def _decoded(part: Message) -> str:
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    try:
        return text(content.decode(str(part.get_param("charset", "utf-8")), "replace"))
    except (LookupError, ValueError):
        return content.decode("utf-8", "replace")


def _attachment(part: Message, number: int) -> dict[str, Any]:
    payload = part.get_payload(decode=True)
    return {
        "PartID": str(number),
        "FileName": text(part.get_filename("")),
        "ContentType": text(part.get_content_type()),
        "ContentID": text(part.get("Content-ID", "")).strip("<>"),
        "Size": len(payload) if isinstance(payload, bytes) else 0,
    }


def _date(message: Message) -> str | None:
    try:
        date = parsedate_to_datetime(str(message["Date"]))
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def now() -> str:
    """The time at which a mail is received."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
