"""Errors are part of the interface: every one is a problem document (RFC 9457) that says what to do about it."""

import http
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from chassis.db import transient
from chassis.logging import get_logger

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2


class ProblemError(Exception):
    """Raised anywhere below a route: becomes a problem document, and nothing of the transaction stays."""

    def __init__(
        self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **extensions: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.extensions = extensions


def problem(status: int, detail: str, *, headers: Mapping[str, str] | None = None, **extensions: Any) -> JSONResponse:
    """A problem document; `extensions` are its further members."""
    body = {"type": "about:blank", "title": http.HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(
        {**body, **extensions}, status, media_type=MEDIA_TYPE, headers=dict(headers) if headers else None
    )


def install(app: FastAPI) -> None:
    """Turn every error of the app into a problem document."""
    app.add_exception_handler(ProblemError, _of_problem)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    for unavailable in (OSError, PoolTimeoutError):
        app.add_exception_handler(unavailable, _of_unavailable)


async def _of_problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProblemError)
    return problem(error.status, error.detail, headers=error.headers, **error.extensions)


async def _of_validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = [{"field": _field(fault["loc"]), "message": _message(fault)} for fault in error.errors()]
    detail = "; ".join(f"{fault['field']}: {fault['message']}" for fault in faults)
    return problem(422, detail, errors=faults)


def _field(place: tuple[Any, ...]) -> str:
    """`body.items.0.quantity` becomes `items.0.quantity`; a broken body is `body`."""
    if place[:1] == ("body",) and len(place) > 1 and not isinstance(place[1], int):
        place = place[1:]
    elif place[:1] == ("body",):
        place = ("body",)
    return ".".join(str(part) for part in place)


def _message(fault: Any) -> str:
    if fault["type"] == "json_invalid":
        return f"is not valid JSON ({fault['ctx']['error']} at character {fault['loc'][-1]})"
    if fault["type"] == "model_attributes_type":
        return "must be a JSON object, sent as application/json"
    return str(fault["msg"]).removeprefix("Value error, ")


async def _of_http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, str(error.detail), headers=error.headers)


async def _of_unavailable(_: Request, error: Exception) -> JSONResponse:
    get_logger().warning("unavailable", error=repr(error))
    return _unavailable()


async def of_bug(_: Request | None, error: Exception) -> JSONResponse:
    """What nothing else has answered: our mistake, unless it is the database being away."""
    if transient(error):
        return _unavailable()
    get_logger().error("a request failed", exc_info=error)
    return problem(500, "something is wrong on our side; nothing was changed")


def _unavailable() -> JSONResponse:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return problem(503, "the service cannot reach what it needs right now; try again", headers=headers)
