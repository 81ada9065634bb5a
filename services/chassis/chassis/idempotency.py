"""Idempotency keys: the same request sent again has the effect of one, and is answered as the first was.

A key is unique per (customer, route). It is inserted first in the command's transaction, so that a concurrent duplicate
waits for the first, and only committed answers are stored: a refused or failed request leaves no trace and may be tried
again with the same key. After the IETF draft *The Idempotency-Key HTTP Header Field*.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from starlette.requests import Request
from starlette.responses import Response

from chassis.db import Session
from chassis.errors import ProblemError
from chassis.writes import Write

HEADER = "Idempotency-Key"
MAX_LENGTH = 255
STORED_HEADERS = ("content-type", "location")

CLAIM = text("""
    INSERT INTO idempotency (customer, route, key, command_id, request_hash)
    VALUES (:customer, :route, :key, :command_id, :request_hash)
    ON CONFLICT (customer, route, key) DO UPDATE SET seen = idempotency.seen + 1
    RETURNING command_id, request_hash, status, headers, body
""")
STORE = """
    UPDATE idempotency SET status = :answer_status, headers = CAST(:answer_headers AS jsonb), body = :answer_body
    WHERE customer = :answer_customer AND route = :answer_route AND key = :answer_key
"""


@dataclass(frozen=True)
class Key:
    """One customer's key for one route, with the fingerprint of what was asked under it."""

    customer: str
    route: str
    key: str
    request_hash: bytes

    @classmethod
    async def of(cls, request: Request, customer: str) -> "Key":
        """The request's key. Raises `ProblemError` (400) if it is missing or too long."""
        key = request.headers.get(HEADER, "")
        if not key:
            raise ProblemError(400, f"{HEADER}: this header is required, with a value of your own for each order")
        if len(key) > MAX_LENGTH:
            raise ProblemError(400, f"{HEADER}: at most {MAX_LENGTH} characters are allowed")
        digest = hashlib.sha256(request.url.path.encode() + b"\0" + await request.body()).digest()
        return cls(customer, f"{request.method} {request.scope['route'].path}", key, digest)

    async def claim(self, session: Session, command_id: UUID) -> Response | None:
        """Take the key. Returns the first answer if there is one already.

        Finding our own command id means that our commit went through and its reply was lost: then the answer is ours.
        Raises `ProblemError` (422) if something else was asked for under this key.
        """
        parameters = {**self._identity, "command_id": command_id, "request_hash": self.request_hash}
        row = (await session.execute(CLAIM, parameters)).one()
        if row.status is None:
            return None
        if row.request_hash != self.request_hash:
            raise ProblemError(422, f"{HEADER}: this key was used before, for another request")
        return _answer(row, replayed=row.command_id != command_id)

    def store(self, session: Session, response: Response) -> None:
        """Keep the answer, in the transaction of the command that it tells about."""
        headers = {name: response.headers[name] for name in STORED_HEADERS if name in response.headers}
        answer = {"status": response.status_code, "headers": json.dumps(headers), "body": bytes(response.body)}
        write = Write("answer", STORE, {**self._identity, **answer})

        async def last(_: Session) -> Write:
            return write

        session.defer(last)

    @property
    def _identity(self) -> dict[str, str]:
        return {"customer": self.customer, "route": self.route, "key": self.key}


def _answer(row: Row[Any], *, replayed: bool) -> Response:
    headers = dict(row.headers)
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(row.body, row.status, headers)
