"""HTTP caching (RFC 9111, RFC 9110 section 13): what everybody may see, and for how long it may be kept on the way."""

import hashlib

from starlette.requests import Request
from starlette.responses import Response

from chassis.consistency import HEADER

JSON = "application/json"


def cacheable(request: Request, body: bytes, seconds: int) -> Response:
    """The body with its ETag, or 304 for who has it already; caches on the way may keep it for so long.

    Who carries a consistency token is answered for themselves: a cache that does not know of tokens must not keep it.
    """
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    own = HEADER in request.headers
    headers = {"ETag": etag, "Cache-Control": "private, no-cache" if own else f"public, max-age={seconds}"}
    if _has(request.headers.get("If-None-Match", ""), etag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=JSON, headers=headers)


def _has(known: str, etag: str) -> bool:
    """Whether one of the ETags is this one; weakly compared, as the RFC has it for If-None-Match."""
    return any(each.strip().removeprefix("W/") in ("*", etag) for each in known.split(","))
