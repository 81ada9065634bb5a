"""The kept mails: one that `keep` has returned for survives a kill -9. Equal Message-IDs are mails of their own.

Group commit: mails that arrive while a commit waits for the disk share the next one. Statements run on the event loop
(a few us each; nothing else ever writes), only COMMIT runs in a thread, because only it waits for the disk.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from mailsink.mail import now, summarise
from mailsink.search import Filter

LOCK_WAIT_SECONDS = 1  # only somebody who opens the file by hand can hold a lock

SCHEMA = """
CREATE TABLE IF NOT EXISTS mails (
    n INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL, subject TEXT NOT NULL, addresses TEXT NOT NULL,
    sender TEXT NOT NULL, size INTEGER NOT NULL, received_at TEXT NOT NULL, read INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS sources (n INTEGER PRIMARY KEY REFERENCES mails ON DELETE CASCADE, raw BLOB NOT NULL) STRICT;
"""
KEEP = "INSERT INTO mails (message_id, subject, addresses, sender, size, received_at) VALUES (?, ?, ?, ?, ?, ?)"
COLUMNS = ("n", "message_id", "subject", "addresses", "sender", "size", "received_at", "read")

Row = dict[str, Any]
Write = Callable[[sqlite3.Connection], int]


class Mailbox:
    """Every mail, newest first; its number is the order in which it was kept."""

    def __init__(self, file: Path) -> None:
        self._writer = _connect(file)
        self._reader = _connect(file)
        self._thread = ThreadPoolExecutor(1, "mailbox-commit")
        self._waiting: list[tuple[Write, asyncio.Future[int]]] = []
        self._committing: asyncio.Task[None] | None = None

    @classmethod
    def open(cls, directory: Path) -> Self:
        """The mailbox in `directory`, made if it is missing. Stops the start with a sentence if that is impossible."""
        try:
            directory.mkdir(parents=True, exist_ok=True)
            return cls(directory / "mailbox.sqlite3")
        except (OSError, sqlite3.Error) as error:
            raise SystemExit(f"cannot open the mailbox in QS_DATA_DIR={directory}: {error}; name another one") from None

    async def keep(self, sender: str, recipients: list[str], raw: bytes) -> int:
        """Keep a mail; returns its number once it is durable. Raises `sqlite3.Error` if it was not kept."""
        summary = summarise(raw, recipients)
        addresses = json.dumps(summary.addresses, ensure_ascii=False)
        row = (summary.message_id, summary.subject, addresses, sender, len(raw), now())

        def write(db: sqlite3.Connection) -> int:
            number = db.execute(KEEP, row).lastrowid
            db.execute("INSERT INTO sources VALUES (?, ?)", (number, raw))
            return number or 0

        return await self._write(write)

    async def delete(self, numbers: Sequence[int] | None = None) -> int:
        """Delete these mails, or all of them; returns how many there were."""
        if numbers is None:
            return await self._write(lambda db: db.execute("DELETE FROM mails").rowcount)
        rows = [(number,) for number in numbers]
        return await self._write(lambda db: db.executemany("DELETE FROM mails WHERE n = ?", rows).rowcount)

    async def mark_read(self, number: int) -> None:
        """Somebody has looked at this mail."""
        await self._write(lambda db: db.execute("UPDATE mails SET read = 1 WHERE n = ?", (number,)).rowcount)

    def count(self, where: Filter) -> tuple[int, int]:
        """How many mails match, and how many of them nobody has looked at."""
        query = f"SELECT count(*), count(*) - coalesce(sum(read), 0) FROM mails WHERE {where.sql}"  # noqa: S608  ours
        total, unread = self._reader.execute(query, where.values).fetchone()
        return total, unread

    def page(self, where: Filter, start: int, limit: int) -> list[Row]:
        """The matching mails from the newest on, leaving out the first `start`."""
        query = f"SELECT {', '.join(COLUMNS)} FROM mails WHERE {where.sql} ORDER BY n DESC LIMIT ? OFFSET ?"  # noqa: S608
        rows = self._reader.execute(query, (*where.values, limit, start))
        return [dict(zip(COLUMNS, row, strict=True)) for row in rows]

    def source(self, number: int) -> bytes:
        """A mail as it came over the wire."""
        (raw,) = self._reader.execute("SELECT raw FROM sources WHERE n = ?", (number,)).fetchone()
        return bytes(raw)

    async def close(self) -> None:
        """Finish what was accepted, then let go of the file."""
        if self._committing is not None:
            await self._committing
        self._thread.shutdown()
        self._reader.close()
        self._writer.close()

    async def _write(self, write: Write) -> int:
        waiter: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((write, waiter))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_waiting())
        return await waiter

    async def _commit_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            waiters = [waiter for _, waiter in batch]
            try:
                results = await self._transact([write for write, _ in batch])
            except Exception as error:  # noqa: BLE001  whatever it is, nothing was kept and all who wait must hear it
                for waiter in waiters:
                    if not waiter.done():  # whoever went away has cancelled its future, not the mail
                        waiter.set_exception(error)
            else:
                for waiter, result in zip(waiters, results, strict=True):
                    if not waiter.done():
                        waiter.set_result(result)

    async def _transact(self, writes: list[Write]) -> list[int]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            results = [write(self._writer) for write in writes]
            await asyncio.get_running_loop().run_in_executor(self._thread, self._writer.execute, "COMMIT")
        except Exception:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise
        return results


def _connect(file: Path) -> sqlite3.Connection:
    db = sqlite3.connect(file, timeout=LOCK_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")  # in WAL mode the default would lose commits with the power
    db.execute("PRAGMA foreign_keys = ON")
    db.executescript(SCHEMA)
    return db
