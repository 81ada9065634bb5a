"""The part of Mailpit's HTTP API (v1) that checks need, with its paths, field names and plain-text errors."""

import json
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from chassis.logging import get_logger
from mailsink import search
from mailsink.chaos import Chaos, Triggers
from mailsink.mail import ADDRESS_HEADERS, read_body
from mailsink.mailbox import Mailbox, Row
from mailsink.search import EVERYTHING, Filter, SearchError

DEFAULT_PAGE, LARGEST_PAGE = 50, 10_000
LARGEST_NUMBER = 2**63 - 1


class BadRequest(Exception):  # noqa: N818  the status's own name
    """The request cannot be answered; the message says why."""


class Api:
    """The endpoints."""

    def __init__(self, mailbox: Mailbox, chaos: Chaos) -> None:
        self._mailbox = mailbox
        self._chaos = chaos

    def routes(self) -> list[Route]:
        """Every path."""
        return [
            Route("/api/v1/messages", self.list_all, methods=["GET"]),
            Route("/api/v1/messages", self.delete, methods=["DELETE"]),
            Route("/api/v1/message/{id}", self.show, methods=["GET"]),
            Route("/api/v1/search", self.find, methods=["GET"]),
            Route("/api/v1/chaos", self.show_chaos, methods=["GET"]),
            Route("/api/v1/chaos", self.set_chaos, methods=["PUT"]),
            Route("/livez", self.be_alive, methods=["GET"]),
            Route("/readyz", self.be_ready, methods=["GET"]),
        ]

    async def list_all(self, request: Request) -> Response:
        """A page of all mails."""
        return self._page(request, EVERYTHING)

    async def find(self, request: Request) -> Response:
        """A page of the mails that match `query`."""
        try:
            return self._page(request, search.parse(request.query_params.get("query", "")))
        except SearchError as error:
            raise BadRequest(str(error)) from None

    async def show(self, request: Request) -> Response:
        """One mail with its texts, which is thereby read; `latest` is the newest."""
        wanted = request.path_params["id"]
        where = EVERYTHING if wanted == "latest" else Filter("n = ?", (str(_number(wanted)),))
        rows = self._mailbox.page(where, 0, 1)
        if not rows:
            return PlainTextResponse("404 page not found", 404)
        (row,) = rows
        body = read_body(self._mailbox.source(row["n"]))
        await self._mailbox.mark_read(row["n"])
        document = {**_show(row), "ReturnPath": row["sender"], "Inline": [], **body}
        document["Date"] = body["Date"] or row["received_at"]
        del document["Created"], document["Read"]
        return JSONResponse(document)

    async def delete(self, request: Request) -> Response:
        """Delete the mails named in `IDs`, or all."""
        body = await request.body()
        wanted = _ids(body) if body else []
        await self._mailbox.delete([_number(one) for one in wanted] if wanted else None)
        return PlainTextResponse("ok")

    async def show_chaos(self, _: Request) -> Response:
        """The triggers in force."""
        return JSONResponse(self._chaos.triggers.model_dump())

    async def set_chaos(self, request: Request) -> Response:
        """Replace all triggers: one that is left out is off."""
        try:
            self._chaos.triggers = Triggers.model_validate_json(await request.body())
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            raise BadRequest(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None
        get_logger().info("chaos set", **self._chaos.triggers.model_dump())
        return await self.show_chaos(request)

    async def be_alive(self, _: Request) -> Response:
        """The process answers."""
        return PlainTextResponse("ok")

    async def be_ready(self, _: Request) -> Response:
        """Mail is taken, and the mailbox can be read."""
        self._mailbox.count(Filter("false"))
        return PlainTextResponse("ok")

    def _page(self, request: Request, where: Filter) -> Response:
        start = _whole(request, "start", 0, LARGEST_NUMBER)
        limit = _whole(request, "limit", DEFAULT_PAGE, LARGEST_PAGE)
        total, unread = self._mailbox.count(EVERYTHING)
        matching, matching_unread = (total, unread) if where is EVERYTHING else self._mailbox.count(where)
        messages = [_show(row) for row in self._mailbox.page(where, start, limit)]
        return JSONResponse(
            {
                "total": total,
                "unread": unread,
                "count": len(messages),
                "messages_count": matching,
                "messages_unread": matching_unread,
                "start": start,
                "tags": [],
                "messages": messages,
            }
        )


def answer_bad_request(_: Request, error: Exception) -> Response:
    """Errors are text, as Mailpit's are."""
    return PlainTextResponse(str(error), 400)


def _show(row: Row) -> dict[str, Any]:
    addresses = json.loads(row["addresses"])
    addresses["From"] = addresses["From"][0] if addresses["From"] else None
    return {
        "ID": f"{row['n']:022d}",
        "MessageID": row["message_id"],
        "Read": bool(row["read"]),
        **{name: addresses[name] for name in ADDRESS_HEADERS.values()},
        "Subject": row["subject"],
        "Created": row["received_at"],
        "Tags": [],
        "Size": row["size"],
    }


def _whole(request: Request, name: str, default: int, largest: int) -> int:
    given = request.query_params.get(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdigit() and len(given) <= 19 and int(given) <= largest):
        raise BadRequest(f"{name} must be a whole number from 0 to {largest}")
    return int(given)


def _number(identifier: object) -> int:
    """A mail's number by its ID; 0 is nobody's."""
    known = isinstance(identifier, str) and len(identifier) == 22 and identifier.isascii() and identifier.isdigit()
    return min(int(str(identifier)), LARGEST_NUMBER) if known else 0


def _ids(body: bytes) -> list[object]:
    try:
        ids = json.loads(body)["IDs"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadRequest('the body must be {"IDs": [...]} or empty') from None
    if not isinstance(ids, list):
        raise BadRequest("IDs must be a list")
    return ids
