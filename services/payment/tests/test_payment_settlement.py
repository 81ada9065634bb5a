"""The daily settlement, against the real provider: every difference is found, once, whatever became of earlier runs."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import text

from chassis.db import Database
from chassis.effects import TryLater
from chassis.events import uuid7
from native import Stack
from payment.models import Settlement
from payment.provider import Provider, RefusedError
from payment.settlement import BusyError, alone, settle
from payment.settling import daily, report
from provider.testing import RunningProvider, free_port

CENTS = 1250
ADD = text("""
    INSERT INTO payments (id, partition, version, status, customer, amount_cents, currency, email)
    VALUES (:id, 0, 1, 'pending', 'c', :cents, 'EUR', 'e')
""")
MOVE = text("UPDATE payments SET status = :status WHERE id = :id")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProvider]:
    with RunningProvider(tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture
async def provider(running: RunningProvider) -> AsyncIterator[Provider]:
    async with Provider(running.url, 8) as provider:
        yield provider


@pytest.fixture(scope="module")
async def payments(database_of: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Database]:
    database = await database_of("payment")
    yield database
    await database.close()


@pytest.fixture
def today() -> date:
    return datetime.now(UTC).date()


async def book(database: Database, *statuses: str, id_: UUID | None = None, cents: int = CENTS) -> UUID:
    """A payment that went through these."""
    id_ = id_ or uuid7()
    async with database.transaction("upkeep") as session:
        await session.execute(ADD, {"id": id_, "cents": cents})
    for status in statuses:
        async with database.transaction("upkeep") as session:
            await session.execute(MOVE, {"id": id_, "status": status})
    return id_


async def charge(provider: Provider, id_: UUID, cents: int = CENTS) -> None:
    body = {"amount_cents": cents, "currency": "EUR", "payment_token": "tok_ok"}
    assert (await provider.charge(id_, body)).status == "captured"


def found(settlement: Settlement, *ids: UUID) -> dict[UUID, set[tuple[str, str]]]:
    """The differences about these payments."""
    about: dict[UUID, set[tuple[str, str]]] = {id_: set() for id_ in ids}
    for each in settlement.differences:
        if each["key"] in map(str, ids):
            about[UUID(each["key"])].add((each["kind"], each["what"]))
    return about


def total(settlement: Settlement, book: str, kind: str) -> tuple[int, int]:
    for each in settlement.totals:
        if (each["book"], each["kind"]) == (book, kind):
            return each["count"], each["cents"]
    return 0, 0


async def test_books_that_agree_have_no_difference(payments: Database, provider: Provider, today: date) -> None:
    before = await settle(payments, provider, today)
    captured = await book(payments, "captured")
    await charge(provider, captured)
    refunded = await book(payments, "captured", "refunding", "refunded")
    await charge(provider, refunded)
    await provider.refund(refunded)
    declined = await book(payments, "declined")
    voided = await book(payments, "voiding", "voided")  # the charge's answer was lost, the void gave it back
    await charge(provider, voided)
    await provider.void(voided)

    after = await settle(payments, provider, today)

    assert set(map(len, found(after, captured, refunded, declined, voided).values())) == {0}
    for kind, ours, theirs in (("capture", 2, 3), ("refund", 1, 2)):
        for book_, count in (("ours", ours), ("theirs", theirs)):
            was, now = total(before, book_, kind), total(after, book_, kind)
            assert (now[0] - was[0], now[1] - was[1]) == (count, count * CENTS)


async def test_every_difference_is_named(payments: Database, provider: Provider, today: date) -> None:
    never_charged = await book(payments, "captured")
    never_refunded = await book(payments, "captured", "refunding", "refunded")
    await charge(provider, never_refunded)
    not_heard_of = await book(payments)
    await charge(provider, not_heard_of)
    still_taken = await book(payments, "voiding", "voided")
    await charge(provider, still_taken)
    other_amount = await book(payments, "captured", cents=CENTS - 1)
    await charge(provider, other_amount)
    unknown = uuid7()
    await charge(provider, unknown)
    await provider.refund(unknown)

    settlement = await settle(payments, provider, today)

    assert found(settlement, never_charged, never_refunded, not_heard_of, still_taken, other_amount, unknown) == {
        never_charged: {("capture", "missing there")},
        never_refunded: {("refund", "missing there")},
        not_heard_of: {("capture", "missing here")},
        still_taken: {("capture", "missing here")},
        other_amount: {("capture", "other amount")},
        unknown: {("capture", "missing here"), ("refund", "missing here")},
    }
    lines = report(settlement)
    assert any(str(other_amount) in line and "ours 1249, theirs 1250 cents" in line for line in lines)
    assert lines[-1].endswith(f"{len(settlement.differences)} differences")


async def test_a_charge_that_the_other_side_booked_on_another_day_is_none(
    payments: Database, provider: Provider, today: date
) -> None:
    id_ = await book(payments, "captured")
    await charge(provider, id_)
    async with payments.transaction("upkeep") as session:
        await session.execute(
            text("UPDATE payments SET captured_at = now() - interval '1 day' WHERE id = :id"), {"id": id_}
        )

    for day in (today, today - timedelta(days=1)):
        assert found(await settle(payments, provider, day), id_) == {id_: set()}


async def test_a_day_settled_again_is_replaced(payments: Database, provider: Provider, today: date) -> None:
    late = await book(payments)
    await charge(provider, late)
    assert found(await settle(payments, provider, today), late) == {late: {("capture", "missing here")}}
    async with payments.transaction("upkeep") as session:
        await session.execute(MOVE, {"id": late, "status": "captured"})

    assert found(await settle(payments, provider, today), late) == {late: set()}

    async with payments.query("primary") as session:
        assert await session.scalar(text("SELECT count(*) FROM settlements WHERE day = :day"), {"day": today}) == 1


async def test_one_instance_settles_at_a_time(payments: Database, provider: Provider, today: date) -> None:
    async with alone(payments):
        with pytest.raises(BusyError):
            await settle(payments, provider, today)
    await settle(payments, provider, today)


async def test_while_the_provider_is_away_nothing_is_settled(payments: Database, today: date) -> None:
    day = today - timedelta(days=30)
    async with Provider("http://127.0.0.1:1", 1) as away:
        with pytest.raises(TryLater):
            await settle(payments, away, day)
    async with payments.query("primary") as session:
        assert await session.get(Settlement, day) is None


@asynccontextmanager
async def slow(running: RunningProvider, milliseconds: int) -> AsyncIterator[None]:
    """Look-ups take this long."""
    async with aiohttp.ClientSession(running.url) as http:
        await (await http.put("/faults", json={"latency_ms": milliseconds})).read()
        try:
            yield
        finally:
            await (await http.put("/faults", json={})).read()


@contextmanager
def configured(stack: Stack, setting: str, value: str) -> Iterator[None]:
    """Connections that are made meanwhile have this setting."""
    stack.sql(f'ALTER DATABASE "alone_payment" SET {setting} = {value}')
    try:
        yield
    finally:
        stack.sql(f'ALTER DATABASE "alone_payment" RESET {setting}')


async def test_a_slow_provider_costs_no_session_because_none_is_idle_in_a_transaction(
    payments: Database, running: RunningProvider, provider: Provider, stack: Stack, today: date
) -> None:
    lost = [await book(payments, "captured") for _ in range(3)]
    await payments.close()
    with configured(stack, "idle_in_transaction_session_timeout", "200"):
        async with slow(running, 400):
            settlement = await settle(payments, provider, today)
    await payments.close()
    assert found(settlement, *lost) == {id_: {("capture", "missing there")} for id_ in lost}


async def test_a_look_up_has_a_time_limit(
    payments: Database, running: RunningProvider, provider: Provider, today: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    await book(payments, "captured")
    monkeypatch.setattr("payment.provider.READ_SECONDS", 0.2)
    async with slow(running, 2000):
        with pytest.raises(TryLater, match=r"did not answer within 0\.2 s"):
            await settle(payments, provider, today)


@asynccontextmanager
async def answering(status: int, content: str) -> AsyncIterator[Provider]:
    """A provider that always says the same."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=content)

    runner = web.AppRunner(application := web.Application())
    application.router.add_get("/{path:.*}", answer)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port := free_port()).start()
    async with Provider(f"http://127.0.0.1:{port}", 1) as provider:
        yield provider
    await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "content", "error"),
    [(401, "who are you?", RefusedError), (200, "<html>", TryLater), (200, "{}", TryLater)],
)
async def test_an_answer_that_is_none_is_an_error_that_the_command_knows(
    status: int, content: str, error: type[Exception]
) -> None:
    async with answering(status, content) as provider:
        with pytest.raises(error, match=f"{status}"):
            await provider.look_up(uuid7())


async def test_yesterday_is_settled_once(payments: Database, provider: Provider, today: date) -> None:
    async with payments.transaction("upkeep") as session:
        await session.execute(text("DELETE FROM settlements"))
    sweep = daily(provider)
    await sweep(payments)
    rows = text("SELECT day, settled_at FROM settlements")
    async with payments.query("primary") as session:
        [first] = (await session.execute(rows)).all()
    await sweep(payments)
    async with payments.query("primary") as session:
        assert (await session.execute(rows)).all() == [first]
    assert first.day >= today - timedelta(days=2)


def command(stack: Stack, running: RunningProvider, day: str, tmp_path: Path, **more: str) -> Any:
    """The command, on the tests' own database."""
    node = "postgres-primary"
    variables = {
        "QS_DATABASE_HOSTS": f"{stack.layout.postgres_socket(node)}:{stack.ports[node]}",
        "QS_DATABASE_NAME": "alone_payment",
        "QS_DATABASE_USER": "postgres",
        "QS_DATABASE_PASSWORD": "x",
        "QS_PROVIDER_URL": running.url,
        "QS_HTTP_PORT": "1",
        "QS_INTERNAL_PORT": "2",
        "QS_BROKER_HOST": "b",
        "QS_BROKER_PASSWORD": "x",
        "QS_REDIS_HOST": "r",
        "QS_REDIS_PASSWORD": "x",
        "QS_SECRETS_DIR": str(tmp_path),
    }
    words = [sys.executable, "-m", "payment", "settle", day]
    return subprocess.run(words, env={**os.environ, **variables, **more}, capture_output=True, text=True, check=False)


async def test_the_command_killed_half_way_has_changed_nothing_and_may_be_run_again(
    payments: Database, running: RunningProvider, provider: Provider, stack: Stack, today: date, tmp_path: Path
) -> None:
    await settle(payments, provider, today)
    lost = await book(payments, "captured")

    killed = command(stack, running, f"{today}", tmp_path, FAULT="crash:settlement.before_commit:1")
    assert killed.returncode == -9, killed.stderr
    async with payments.query("primary") as session:
        assert found(await session.get_one(Settlement, today), lost) == {lost: set()}

    again = command(stack, running, f"{today}", tmp_path)
    assert again.returncode == 1, again.stderr
    assert f"capture {lost}: missing there" in again.stdout
    async with payments.query("primary") as session:
        assert found(await session.get_one(Settlement, today), lost) == {lost: {("capture", "missing there")}}


async def test_the_command_ends_with_a_sentence_where_the_provider_is_away(
    payments: Database, running: RunningProvider, stack: Stack, today: date, tmp_path: Path
) -> None:
    ended = command(stack, running, f"{today}", tmp_path, QS_PROVIDER_URL=f"http://127.0.0.1:{free_port()}")
    assert (ended.returncode, "Traceback" in ended.stderr) == (1, False)
    assert f"{today} was not settled, nothing has changed: " in ended.stderr


async def test_the_command_ends_with_a_sentence_where_the_database_fails(
    payments: Database, running: RunningProvider, stack: Stack, today: date, tmp_path: Path
) -> None:
    with configured(stack, "default_transaction_read_only", "on"):
        ended = command(stack, running, f"{today}", tmp_path)
    assert (ended.returncode, "Traceback" in ended.stderr) == (1, False)
    assert "run it again: " in ended.stderr
    assert "read-only transaction" in ended.stderr


@pytest.mark.parametrize(("day", "says"), [("yesterday", "invalid _day value"), ("2999-01-01", "has not come yet")])
def test_a_day_that_is_none_is_refused(
    running: RunningProvider, stack: Stack, tmp_path: Path, day: str, says: str
) -> None:
    refused = command(stack, running, day, tmp_path)
    assert refused.returncode == 2
    assert says in refused.stderr
