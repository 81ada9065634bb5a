"""The generator's record: a line for each request and for each second, on disk as it happens."""

import csv
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self

REQUESTS, SECONDS, TOLD = "requests.csv", "generator.csv", "told.jsonl"


class Request(NamedTuple):
    """`due` counts from the run's start; `seconds` from when it was due, `service` from when it was sent.

    `status` is 0 where there was no answer.
    """

    due: float
    name: str
    status: int
    seconds: float
    service: float
    visit: int


class Second(NamedTuple):
    """What the generator did in one second: visitors due, sent and dropped; requests under way at its end.

    `lag`: how long after it was due the latest visitor was let in. `cpu`: the generator's share of one core.
    """

    at: float
    due: int
    dropped: int
    in_flight: int
    lag: float
    cpu: float


class Lines:
    """Appends rows to a file; the first line names the columns."""

    def __init__(self, file: Path, kind: type[Request] | type[Second]) -> None:
        self._file: IO[str] = file.open("w", buffering=1 << 16)
        self._write = csv.writer(self._file).writerow
        self._write(kind._fields)

    def add(self, row: Request | Second) -> None:
        """One more."""
        self._write([f"{value:.6f}" if isinstance(value, float) else value for value in row])

    def flush(self) -> None:
        """Everything so far is on its way to the disk."""
        self._file.flush()

    def __enter__(self) -> Self:
        """Open since it was made."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()


def requests(directory: Path) -> list[Request]:
    """What a run sent, by when it was due."""
    rows = (
        Request(float(due), name, int(status), float(seconds), float(service), int(visit))
        for due, name, status, seconds, service, visit in _rows(directory / REQUESTS)
    )
    return sorted(rows)


def seconds(directory: Path) -> list[Second]:
    """What its generator did, second by second."""
    rows = (
        Second(float(at), int(due), int(dropped), int(in_flight), float(lag), float(cpu))
        for at, due, dropped, in_flight, lag, cpu in _rows(directory / SECONDS)
    )
    return sorted(rows)


def _rows(file: Path) -> Iterator[list[str]]:
    with file.open() as lines:
        reader = csv.reader(lines)
        next(reader, None)
        yield from reader
