"""The provider's own books: what `record` has returned survives a kill -9, what it has not returned is whole or absent.

Group commit: steps that arrive while a commit waits for the disk share the next one. Steps run one after the other on
the event loop (4 us each; nothing else ever writes), only COMMIT runs in a thread, because only it waits for the disk.
"""

import asyncio
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Self

from chassis.logging import get_logger
from provider.charges import Charge, Entry, Outcome, Status, Step
from provider.problems import Problem

LOCK_WAIT_SECONDS = 1  # only somebody who opens the file by hand can hold a lock

SCHEMA = """
CREATE TABLE IF NOT EXISTS charges (
    key TEXT PRIMARY KEY, status TEXT NOT NULL, amount_cents INTEGER NOT NULL,
    currency TEXT, decline_reason TEXT, fingerprint TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger (
    n INTEGER PRIMARY KEY, key TEXT NOT NULL, kind TEXT NOT NULL,
    amount_cents INTEGER NOT NULL, currency TEXT, at TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS each_kind_once_per_key ON ledger (key, kind);
CREATE INDEX IF NOT EXISTS by_day ON ledger (substr(at, 1, 10), n);
"""
FIND = "SELECT key, status, amount_cents, currency, decline_reason, fingerprint FROM charges WHERE key = ?"
SAVE = "INSERT OR REPLACE INTO charges VALUES (?, ?, ?, ?, ?, ?)"
APPEND = "INSERT INTO ledger (key, kind, amount_cents, currency, at) VALUES (?, ?, ?, ?, ?)"
PAGE = "SELECT n, key, kind, amount_cents, currency, at FROM ledger WHERE n > ? ORDER BY n LIMIT ?"

PAGE_OF_DAY = """
    SELECT n, key, kind, amount_cents, currency, at FROM ledger
    WHERE substr(at, 1, 10) = ? AND n > ? ORDER BY n LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A step that waits for its transaction, and whoever waits for the outcome."""

    key: str
    step: Step
    waiter: asyncio.Future[Outcome]

    def answer(self, result: Outcome | Exception) -> None:
        """Tell whoever still waits: a client that went away has cancelled its future, not the step."""
        if self.waiter.done():
            return
        if isinstance(result, Exception):
            self.waiter.set_exception(result)
        else:
            self.waiter.set_result(result)


class Ledger:
    """Charges by key, and the append-only ledger of everything that happened to them."""

    def __init__(self, file: Path) -> None:
        self._writer = _connect(file)
        self._reader = _connect(file)
        self._thread = ThreadPoolExecutor(1, "ledger-commit")
        self._waiting: list[Job] = []
        self._committing: asyncio.Task[None] | None = None

    @classmethod
    def open(cls, directory: Path) -> Self:
        """The ledger in `directory`, made if it is missing. Stops the start with a sentence if that is impossible."""
        try:
            directory.mkdir(parents=True, exist_ok=True)
            return cls(directory / "ledger.sqlite3")
        except (OSError, sqlite3.Error) as error:
            raise SystemExit(f"cannot open the ledger in QS_DATA_DIR={directory}: {error}; name another one") from None

    async def record(self, key: str, step: Step) -> Outcome:
        """Take one step of a charge; returns once it is durable. Raises `Problem` if refused or not written."""
        job = Job(key, step, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_waiting())
        return await job.waiter

    def find(self, key: str) -> Charge | None:
        """The charge as it is on disk."""
        return _find(self._reader, key)

    def page(self, after: int, limit: int, day: date | None = None) -> list[dict[str, Any]]:
        """At most `limit` entries with numbers above `after`, oldest first; of one UTC day, if it is given."""
        names = ("n", "key", "kind", "amount_cents", "currency", "at")
        if day is None:
            rows = self._reader.execute(PAGE, (after, limit))
        else:
            rows = self._reader.execute(PAGE_OF_DAY, (day.isoformat(), after, limit))
        return [dict(zip(names, row, strict=True)) for row in rows]

    async def close(self) -> None:
        """Finish what was accepted, then let go of the file."""
        if self._committing is not None:
            await self._committing
        self._thread.shutdown()
        self._reader.close()
        self._writer.close()

    async def _commit_waiting(self) -> None:
        while self._waiting:
            jobs, self._waiting = self._waiting, []
            try:
                results = await self._transact(jobs)
            except Exception as error:  # noqa: BLE001  whatever it is, nothing was written and all who wait must hear it
                get_logger().error("the ledger could not be written", error=str(error), charges=len(jobs))
                results = [Problem(503, f"nothing was recorded: {error}")] * len(jobs)
            for job, result in zip(jobs, results, strict=True):
                job.answer(result)

    async def _transact(self, jobs: list[Job]) -> list[Outcome | Problem]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            results = list(self._take(jobs))
            await asyncio.get_running_loop().run_in_executor(self._thread, self._writer.execute, "COMMIT")
        except Exception:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise
        return results

    def _take(self, jobs: list[Job]) -> Iterator[Outcome | Problem]:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        for job in jobs:
            try:
                outcome = job.step(_find(self._writer, job.key) or Charge(job.key))
            except Problem as refusal:
                yield refusal
                continue
            if outcome.entries:
                _write(self._writer, outcome, at)
            yield outcome


def _connect(file: Path) -> sqlite3.Connection:
    db = sqlite3.connect(file, timeout=LOCK_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")  # in WAL mode the default would lose commits with the power
    db.executescript(SCHEMA)
    return db


def _find(db: sqlite3.Connection, key: str) -> Charge | None:
    row = db.execute(FIND, (key,)).fetchone()
    if row is None:
        return None
    _, status, amount_cents, currency, decline_reason, fingerprint = row
    return Charge(key, Status(status), amount_cents, currency, decline_reason, fingerprint)


def _write(db: sqlite3.Connection, outcome: Outcome, at: str) -> None:
    charge = outcome.charge
    db.execute(
        SAVE,
        (charge.key, charge.status, charge.amount_cents, charge.currency, charge.decline_reason, charge.fingerprint),
    )
    for entry in outcome.entries:
        # A void moves no money itself: what it gives back is the refund before it.
        amount_cents = 0 if entry is Entry.VOID else charge.amount_cents
        db.execute(APPEND, (charge.key, entry, amount_cents, charge.currency, at))
