"""Whatever the provider refuses is answered with a problem document (RFC 9457) of one clear sentence."""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class Problem(Exception):  # noqa: N818  the name RFC 9457 gives it
    """A refusal. `field` names what is wrong in the request: a body field, a header, a query or a path parameter."""

    def __init__(self, status: int, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.field = field


def answer_problem(_: Request, error: Exception) -> Response:
    """The document of a problem we raised."""
    assert isinstance(error, Problem)
    return _document(error.status, error.detail, error.field)


def answer_routing(_: Request, error: Exception) -> Response:
    """The document of what the framework refuses: an unknown path, a method a path does not have."""
    assert isinstance(error, HTTPException)
    return _document(error.status_code, error.detail, headers=error.headers)


def answer_defect(_: Request, __: Exception) -> Response:
    """The document of our own defect; its traceback is in the log."""
    return _document(500, "the provider has a defect: see its log")


def _document(status: int, detail: str, field: str | None = None, *, headers: object = None) -> Response:
    document: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if field is not None:
        document["errors"] = [{"field": field, "detail": detail}]
    extra = dict(headers) if isinstance(headers, dict) else None
    return JSONResponse(document, status, extra, media_type="application/problem+json")
