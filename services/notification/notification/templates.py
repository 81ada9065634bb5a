"""The mails' words: one Jinja template per kind, its first line the subject."""

from dataclasses import dataclass
from email.mime.text import MIMEText
from email.policy import SMTP
from typing import Any
from uuid import UUID

from jinja2 import Environment, PackageLoader, StrictUndefined

ENVELOPE_SENDER = "shop@quicksand.example"
SENDER = f"Quicksand Tickets <{ENVELOPE_SENDER}>"
DOMAIN = "quicksand.example"

_environment = Environment(
    loader=PackageLoader("notification", "mails"),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701  plain text mails
    keep_trailing_newline=True,
)


def money(cents: int, currency: str) -> str:
    """12345, EUR -> `123.45 EUR`."""
    return f"{cents // 100}.{cents % 100:02d} {currency}"


_environment.globals["money"] = money


@dataclass(frozen=True)
class Mail:
    """A mail as it goes over the wire. The recipient is an address here; a header would be decoded as one."""

    recipient: str
    message: bytes


def compose(id_: UUID, payload: dict[str, Any]) -> Mail:
    """The mail for a notification; the same notification gives the same Message-ID."""
    text = _environment.get_template(f"{payload['kind']}.txt").render(payload)
    subject, _, body = text.partition("\n\n")
    message = MIMEText(body, "plain", "utf-8")  # a fifth of EmailMessage's time
    message["From"] = SENDER
    message["To"] = payload["email"]
    message["Subject"] = subject
    message["Message-ID"] = f"<{id_}@{DOMAIN}>"
    return Mail(payload["email"], message.as_bytes(policy=SMTP))
