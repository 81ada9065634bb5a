"""What a merchant may send, checked once at the border: what is wrong is refused with a `Problem` naming the field."""

import re
from datetime import date
from hashlib import blake2b
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request

from provider.cards import decline_reason
from provider.charges import Charge
from provider.problems import Problem

BODY_LIMIT_BYTES = 64 * 1024
AMOUNT_LIMIT_CENTS = 10**12
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")

Model = TypeVar("Model", bound=BaseModel)


class ChargeRequest(BaseModel):
    """The body of a charge."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    amount_cents: Annotated[int, Field(gt=0, le=AMOUNT_LIMIT_CENTS)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    payment_token: Annotated[str, Field(min_length=1, max_length=255)]

    def of(self, key: str) -> Charge:
        """The charge this asks for. The token itself is not kept, only a fingerprint to know a replay by."""
        said = f"{self.amount_cents} {self.currency} {self.payment_token}"
        fingerprint = blake2b(said.encode(), digest_size=16).hexdigest()
        reason = decline_reason(self.payment_token)
        return Charge(
            key,
            amount_cents=self.amount_cents,
            currency=self.currency,
            decline_reason=reason,
            fingerprint=fingerprint,
        )


class LedgerQuery(BaseModel):
    """Which part of the ledger."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Annotated[int, Field(ge=1, le=10_000)] = 1000
    day: date | None = None


def key_of(text: str | None, field: str) -> str:
    """A charge's key: up to 128 letters, digits and `.`, `_`, `:`, `-`, so that it can stand in a path."""
    if text is None:
        raise Problem(400, f"{field} is missing", field)
    if not KEY.fullmatch(text):
        raise Problem(
            422, f"{field} must be 1 to 128 letters, digits or . _ : - and start with a letter or digit", field
        )
    return text


async def read(request: Request, model: type[Model]) -> Model:
    """The JSON body as a model."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(415, "Content-Type must be application/json", "Content-Type")
    return _checked(model, await _body(request))


def read_query(request: Request, model: type[Model]) -> Model:
    """The query parameters as a model."""
    return _checked(model, dict(request.query_params))


async def _body(request: Request) -> bytes:
    parts = bytearray()
    try:
        async for part in request.stream():
            parts += part
            if len(parts) > BODY_LIMIT_BYTES:
                raise Problem(413, f"the body is larger than {BODY_LIMIT_BYTES} bytes")
    except ClientDisconnect:
        raise Problem(400, "the body is incomplete") from None
    return bytes(parts)


def _checked(model: type[Model], given: bytes | dict[str, Any]) -> Model:
    try:
        return model.model_validate_json(given) if isinstance(given, bytes) else model.model_validate(given)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        if fault["type"] == "json_invalid":
            raise Problem(400, f"the body is not JSON: {fault['ctx']['error']}") from None
        field = ".".join(str(part) for part in fault["loc"]) or "body"
        raise Problem(422, f"{field}: {fault['msg']}", field) from None
