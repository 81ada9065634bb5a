"""`verify` can fail: whichever single row is damaged, the invariant that it breaks is red, and the row is named."""
# ruff: noqa: S608  the statements are the tests' own

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from verify_world import World, confirmation, harmed, mail_copied, simulator

from verify import http, outside
from verify.report import Report

pytest_plugins = ("verify_fixtures",)
pytestmark = pytest.mark.usefixtures("quickly")

Harm = Callable[[World], AbstractContextManager[None]]
Name = Callable[[World], UUID | str]


@dataclass(frozen=True)
class Damage:
    """What is done, which invariants it breaks, and who must be named."""

    harm: Harm
    breaks: set[int]
    names: Name


def row(database: str, table: str, where: str, change: str) -> Harm:
    """One row of a service's database; `{0.paid}` in the texts is an order of the world."""

    def harm(world: World) -> AbstractContextManager[None]:
        condition = where.format(world)
        statement = f"DELETE FROM {table}" if change == "deleted" else f"UPDATE {table} SET {change}"
        return harmed(world.stack, database, table, condition, f"{statement} WHERE {condition}")

    return harm


def added(database: str, table: str, columns: str, values: str, where: str) -> Harm:
    """One row that should not be."""

    @contextmanager
    def harm(world: World) -> Iterator[None]:
        world.stack.sql(f"INSERT INTO {table} ({columns}) VALUES ({values.format(world)})", database)
        yield
        world.stack.sql(f"DELETE FROM {table} WHERE {where.format(world)}", database)

    return harm


@contextmanager
def lost_refund(world: World) -> Iterator[None]:
    """The provider's books know nothing of a refund."""
    mine = f"key = '{world.refunded}' AND kind = 'refund'"
    with simulator(world.stack, "provider", "ledger.sqlite3") as ledger:
        (line,) = ledger.execute(f"SELECT * FROM ledger WHERE {mine}").fetchall()
        ledger.execute(f"DELETE FROM ledger WHERE {mine}")
        yield
        ledger.execute("INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?)", line)


@contextmanager
def other_amount(world: World) -> Iterator[None]:
    """The provider has taken a cent more than it was asked for."""
    change = f"UPDATE ledger SET amount_cents = amount_cents {{}} 1 WHERE key = '{world.paid}'"
    with simulator(world.stack, "provider", "ledger.sqlite3") as ledger:
        ledger.execute(change.format("+"))
        yield
        ledger.execute(change.format("-"))


@contextmanager
def lost_mail(world: World) -> Iterator[None]:
    """The mail server has another mail in its place."""
    change = "UPDATE mails SET message_id = ? WHERE message_id = ?"
    with simulator(world.stack, "mailsink", "mailbox.sqlite3") as mailbox:
        assert mailbox.execute(change, ("nobody's", confirmation(world.paid))).rowcount == 1
        yield
        mailbox.execute(change, (confirmation(world.paid), "nobody's"))


def copied_mail(world: World) -> AbstractContextManager[None]:
    """The mail arrives once more."""
    return mail_copied(world.stack, confirmation(world.paid), "demo@mail.example")


def the_mail(world: World) -> str:
    """The Message-ID of the paid order's confirmation."""
    return confirmation(world.paid)


def paid(world: World) -> UUID:
    """The order that was simply paid."""
    return world.paid


def refunded(world: World) -> UUID:
    """The order that was paid, then cancelled."""
    return world.refunded


CONFIRMED = "subject = '{0.paid}' AND type = 'order.confirmed.v1'"
CAPTURED = "subject = '{0.refunded}' AND type = 'payment.captured.v1'"
KEY = "command_id = '{0.paid}'"
ANSWER = "convert_from(body, 'UTF8') LIKE '%{0.paid}%'"
STRANGER = "00000000-0000-7000-8000-000000000000"

DAMAGES = {
    "stock": Damage(
        row("orders", "stock", "sku = 'concert-floor'", "sold = sold + 1, available = available - 1"),
        {4},
        lambda _: "concert-floor",
    ),
    "order's price": Damage(row("orders", "orders", "id = '{0.paid}'", "total_cents = total_cents + 1"), {3}, paid),
    "order's status": Damage(
        row("orders", "orders", "id = '{0.paid}'", "status = 'cancelled', reason = 'expired'"), {3, 4, 5}, paid
    ),
    "order pending": Damage(
        row("orders", "orders", "id = '{0.paid}'", "status = 'pending', expires_at = 'infinity'"), {0, 2, 4, 5}, paid
    ),
    "order lost": Damage(row("orders", "orders", "id = '{0.paid}'", "deleted"), {1, 3, 4, 5, 10}, paid),
    "payment's status": Damage(
        row("payments", "payments", "id = '{0.refunded}'", "status = 'captured'"), {3, 5}, refunded
    ),
    "payment lost": Damage(row("payments", "payments", "id = '{0.paid}'", "deleted"), {3, 10}, paid),
    "ledger line lost": Damage(lost_refund, {3}, refunded),
    "ledger amount": Damage(other_amount, {3}, paid),
    "notification lost": Damage(
        row("notifications", "notifications", "order_id = '{0.paid}'", "deleted"), {5, 10}, paid
    ),
    "notification without reason": Damage(
        row("notifications", "notifications", "order_id = '{0.unmailable}'", "reason = 'because'"),
        {5},
        lambda world: world.unmailable,
    ),
    "mail lost": Damage(lost_mail, {5}, the_mail),
    "mail copied": Damage(copied_mail, {5}, the_mail),
    "inbox": Damage(row("notifications", "inbox", CONFIRMED, "deleted"), {10}, paid),
    "inbox order": Damage(row("orders", "inbox", CAPTURED, "sequence = 9"), {7}, refunded),
    "outbox": Damage(row("orders", "outbox", CONFIRMED, "deleted"), {10}, paid),
    "effect": Damage(
        row("payments", "effects", "subject = '{0.paid}'", "done_at = NULL, leased_until = 'infinity'"), {0, 6}, paid
    ),
    "parked": Damage(
        added("payments", "parked", "id, source, type, body, reason", "'{0.paid}', 'x', 'x', '', 'x'", "source = 'x'"),
        {6},
        paid,
    ),
    "quarantine": Damage(added("payments", "quarantine", "subject", "'{0.paid}'", "subject = '{0.paid}'"), {6}, paid),
    "key lost": Damage(row("orders", "idempotency", KEY, "deleted"), {1}, paid),
    "key's order": Damage(row("orders", "idempotency", ANSWER, f"command_id = '{STRANGER}'"), {1}, paid),
    "key's answer": Damage(row("orders", "idempotency", KEY, "body = '{{}}'"), {1}, paid),
}


async def test_a_stack_at_rest_keeps_every_promise(world: World) -> None:
    report = await world.check()
    assert report.ok, "\n".join(report.lines)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
async def test_a_damaged_row_is_named(world: World, damage: Damage) -> None:
    with damage.harm(world):
        report = await world.check(wait_seconds=2)
    found = "\n".join(report.lines)
    assert red(report) == damage.breaks, found
    assert str(damage.names(world)) in found


@pytest.mark.parametrize(("name", "number"), [("parked", 6), ("inbox order", 7)])
async def test_what_is_parked_or_came_late_can_be_explained(world: World, name: str, number: int) -> None:
    with DAMAGES[name].harm(world):
        report = await world.check(explained=str(DAMAGES[name].names(world)))
    assert report.ok, "\n".join(report.lines)
    assert report.of(number).counts["explained"] == 1


async def test_a_mail_that_arrives_between_two_pages_doubles_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside, "PAGE", 2)
    with ExitStack() as arrived:

        async def get(client: aiohttp.ClientSession, url: str, **parameters: int) -> Any:
            page = await http.get(client, url, **parameters)
            if parameters.get("start") == 0:
                arrived.enter_context(mail_copied(world.stack, "late@mail.example", "somebody@mail.example"))
            return page

        monkeypatch.setattr(outside, "get", get)
        report = await world.check()
    assert report.ok, "\n".join(report.lines)


async def test_repaired_everything_is_as_before(world: World) -> None:
    report = await world.check()
    assert report.ok, "\n".join(report.lines)


def red(report: Report) -> set[int]:
    """The invariants that do not hold."""
    return {result.number for result in report.results if not result.ok}
