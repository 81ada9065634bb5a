"""A stack at rest, with an order of every kind, and how one row of theirs is damaged and repaired again."""
# ruff: noqa: S608  the statements are the tests' own

import smtplib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from uuid import UUID, uuid5

from native import Stack
from verify import checks, told
from verify.addresses import Addresses
from verify.mails import message_id
from verify.report import Report


@dataclass(frozen=True)
class World:
    """A stack at rest, what was ordered there, and the record of what the clients were told."""

    stack: Stack
    addresses: Addresses
    record: Path
    paid: UUID
    declined: UUID
    voided: UUID
    refunded: UUID
    unmailable: UUID

    async def check(self, wait_seconds: float = 20, record: told.Record | None = None, explained: str = "") -> Report:
        """What `verify` says."""
        record = told.read(self.record) if record is None else record
        request = checks.Request(wait_seconds, record, frozenset({explained}))
        return await checks.run(self.addresses, request, lambda _: None)


@contextmanager
def harmed(stack: Stack, name: str, table: str, where: str, harm: str) -> Iterator[None]:
    """One row is changed or deleted by `harm`, and is as it was after the block."""
    row = stack.sql(f"SELECT row_to_json(t) FROM {table} AS t WHERE {where}", name)
    assert row.count("\n") == 0, f"not one row: {row}"
    assert row, f"no row of {table} where {where}"
    stack.sql(harm, name)
    try:
        yield
    finally:
        restore = f"SELECT * FROM json_populate_record(NULL::{table}, $json${row}$json$)"
        stack.sql(f"DELETE FROM {table} WHERE {where}; INSERT INTO {table} OVERRIDING SYSTEM VALUE {restore}", name)


@contextmanager
def mail_copied(stack: Stack, sent_as: str, recipient: str) -> Iterator[None]:
    """A mail arrives at the mail server once more."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Message-ID"] = "a@mail.example", recipient, f"<{sent_as}>"
    with smtplib.SMTP("127.0.0.1", stack.ports["mailsink-smtp"]) as server:
        server.send_message(mail)
    yield
    with simulator(stack, "mailsink", "mailbox.sqlite3") as mailbox:
        mailbox.execute("PRAGMA foreign_keys = ON")
        mailbox.execute("DELETE FROM mails WHERE n = (SELECT max(n) FROM mails)")


@contextmanager
def simulator(stack: Stack, name: str, file: str) -> Iterator[sqlite3.Connection]:
    """A simulator's own database, opened behind its back."""
    db = sqlite3.connect(stack.layout.data(name) / file, timeout=5, isolation_level=None)
    try:
        yield db
    finally:
        db.close()


def confirmation(order: UUID) -> str:
    """The Message-ID of a paid order's confirmation."""
    return message_id(uuid5(order, "order_confirmed"))
