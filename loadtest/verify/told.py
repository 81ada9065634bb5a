"""What clients were told: the record that a load generator keeps of its requests to place an order.

JSON lines, one for each request that was sent:

    {"key": "d1f...", "customer": "c-17", "items": {"ticket-1": 2}, "status": 202, "order_id": "0193..."}
    {"key": "a20...", "customer": "c-18", "items": {"ticket-1": 1}, "status": 409}
    {"key": "77c...", "customer": "c-19", "items": {"ticket-1": 1}, "status": "timeout"}

`key` is the Idempotency-Key; a request sent again has a line of its own. `timeout` stands for every request without an
answer, a lost connection too; its outcome is unknown, as it is after a status of 500 or more.
"""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from verify.errors import CannotCheckError

ACCEPTED = 202


class Told(BaseModel):
    """One request and what became of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(min_length=1)
    customer: str = Field(min_length=1)
    items: dict[str, int]
    status: int | Literal["timeout"]
    order_id: UUID | None = None

    @model_validator(mode="after")
    def check(self) -> Self:
        """An accepted order has an id."""
        if self.accepted and self.order_id is None:
            raise ValueError(f"order_id is missing after status {ACCEPTED}")
        return self

    @property
    def accepted(self) -> bool:
        """Whether the client was promised an order."""
        return self.status == ACCEPTED

    @property
    def indeterminate(self) -> bool:
        """Whether the client cannot know if there is an order."""
        return self.status == "timeout" or self.status >= 500

    @property
    def identity(self) -> tuple[str, str]:
        """Whose key it is: keys are each customer's own."""
        return self.customer, self.key


def read(file: Path) -> list[Told]:
    """The record. Raises `CannotCheckError` naming the line that is wrong."""
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeError) as error:
        raise CannotCheckError(f"cannot read {file}: {error}") from None
    told = []
    for number, line in enumerate(lines, start=1):
        try:
            told.append(Told.model_validate_json(line))
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, fault["loc"]))
            raise CannotCheckError(f"{file}, line {number}: {where} {fault['msg']}") from None
    return told


class Recorder:
    """Writes such a record, line by line, so that it is there even if the generator is killed."""

    def __init__(self, file: Path) -> None:
        self._lines = file.open("a", buffering=1)

    def add(self, told: Told) -> None:
        """One more request."""
        self._lines.write(told.model_dump_json(exclude_none=True) + "\n")

    def __enter__(self) -> Self:
        """Open since it was made."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._lines.close()


Record = Sequence[Told]
