"""The mail server: what arrived there, and what it refuses."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

import aiohttp

from outside.shop import email_of
from outside.waiting import eventually

DOMAIN = "quicksand.example"


@dataclass(frozen=True)
class Mail:
    """One mail that arrived."""

    message_id: str
    subject: str
    text: str


def message_id(order_id: UUID, kind: str) -> str:
    """The Message-ID of the one mail of this kind about this order."""
    return f"{uuid5(order_id, kind)}@{DOMAIN}"


class Mailbox:
    """The sink."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def mails(self, customer: str) -> list[Mail]:
        """This customer's mails, in the order of their arrival.

        One whose acceptance came too late for the sender arrives again under the same Message-ID: that is one mail, and
        how many copies there may be is for `verify` to say.
        """
        found = await self._get("search", query=f'to:"{email_of(customer)}"')
        mails: dict[str, Mail] = {}
        for row in reversed(found["messages"]):
            text = (await self._get(f"message/{row['ID']}"))["Text"]
            mails.setdefault(row["MessageID"], Mail(row["MessageID"], row["Subject"], text))
        return list(mails.values())

    async def recipients(self, message_id: str) -> set[str]:
        """Where every copy of this mail went."""
        found = await self._get("search", query=f"message-id:{message_id}")
        return {to["Address"] for row in found["messages"] for to in (*row["To"], *row["Bcc"])}

    async def mail_ids(self, customer: str) -> list[str]:
        """Their Message-IDs."""
        return [mail.message_id for mail in await self.mails(customer)]

    async def got(self, customer: str, *ids: str) -> None:
        """Wait until exactly these have arrived, in whatever order."""
        await eventually(lambda: self.mail_ids(customer), lambda found: sorted(found) == sorted(ids))

    @asynccontextmanager
    async def refusing(self, code: int) -> AsyncIterator[None]:
        """Inside, every recipient is refused with this code."""
        await self._set({"Recipient": {"ErrorCode": code, "Probability": 100}})
        try:
            yield
        finally:
            await self._set({})

    async def _set(self, triggers: dict[str, Any]) -> None:
        async with self._session.put(f"{self._url}/api/v1/chaos", json=triggers) as answer:
            assert answer.status == 200, await answer.text()

    async def _get(self, path: str, **query: str) -> dict[str, Any]:
        async with self._session.get(f"{self._url}/api/v1/{path}", params=query) as answer:
            assert answer.status == 200, await answer.text()
            document: dict[str, Any] = await answer.json()
            return document
