"""What the outside world says of itself: the provider's own ledger, and the mails that arrived."""

from collections import defaultdict

import aiohttp

from verify.http import get
from verify.rows import Entry

PAGE = 10_000


async def read_ledger(client: aiohttp.ClientSession, url: str) -> dict[str, list[Entry]]:
    """The whole ledger by key, oldest line first."""
    ledger: defaultdict[str, list[Entry]] = defaultdict(list)
    after: int | None = 0
    while after is not None:
        page = await get(client, f"{url}/v1/ledger", after=after, limit=PAGE)
        for entry in page["entries"]:
            ledger[entry["key"]].append(Entry(entry["kind"], entry["amount_cents"], entry["currency"]))
        after = page["next"]
    return dict(ledger)


async def read_mails(client: aiohttp.ClientSession, url: str) -> dict[str, list[str]]:
    """The recipient of every mail by its Message-ID: more than one where it arrived more than once."""
    arrived: dict[str, tuple[str, str]] = {}  # newest first: one that comes meanwhile moves others to the next page
    start, total = 0, 1
    while start < total:
        page = await get(client, f"{url}/api/v1/messages", start=start, limit=PAGE)
        total = page["total"]
        for mail in page["messages"]:
            arrived[mail["ID"]] = mail["MessageID"], ", ".join(to["Address"] for to in mail["To"] or ())
        if not page["messages"]:
            break
        start += len(page["messages"])
    mails: defaultdict[str, list[str]] = defaultdict(list)
    for message_id, recipients in arrived.values():
        mails[message_id].append(recipients)
    return dict(mails)
