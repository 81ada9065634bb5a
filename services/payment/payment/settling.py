"""When a day is settled: by one instance, a while after the day's end, and whenever a person asks for it."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta

import asyncpg
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from chassis import faults
from chassis.connect import AccessDeniedError, NoNodeError
from chassis.db import Database
from chassis.effects import TryLater
from chassis.logging import get_logger
from payment.models import Settlement
from payment.provider import Provider, RefusedError
from payment.settings import Settings
from payment.settlement import BusyError, settle

PACE_SECONDS = 60.0
DATABASE_FAILED = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
AFTER = timedelta(minutes=30)  # by then what was under way at midnight is done with


def daily(provider: Provider) -> Callable[[Database], Awaitable[None]]:
    """A sweep that settles yesterday once."""

    async def settle_yesterday(database: Database) -> None:
        day = (datetime.now(UTC) - AFTER).date() - timedelta(days=1)
        async with database.query("primary") as session:
            if await session.scalar(select(Settlement.day).where(Settlement.day == day)):
                return
        try:
            settlement = await settle(database, provider, day)
        except BusyError:
            return
        get_logger().info("settled", day=f"{day}", differences=len(settlement.differences))

    return settle_yesterday


def main() -> None:
    """`python -m payment settle 2026-11-20`: settle a day, again if need be. Exit status 1 if the books differ."""
    parser = argparse.ArgumentParser(prog="python -m payment", description=main.__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("settle", help="compare a day's payments with the provider's ledger")
    command.add_argument("day", type=_day, help="a UTC day, as 2026-11-20")
    arguments = parser.parse_args()
    settings = Settings.load()
    faults.arm(settings.fault)
    try:
        settlement = asyncio.run(_settle(settings, arguments.day))
    except BusyError:
        raise SystemExit("another process settles this moment: try again") from None
    except (TryLater, RefusedError, NoNodeError, AccessDeniedError) as error:
        raise SystemExit(f"{arguments.day} was not settled, nothing has changed: {error}") from None
    except DATABASE_FAILED as error:
        reason = f"{getattr(error, 'orig', None) or error}".partition("\n")[0]
        # A commit whose answer was lost may have been made.
        raise SystemExit(f"{arguments.day} is settled whole or as it was before, run it again: {reason}") from None
    print("\n".join(report(settlement)))
    raise SystemExit(1 if settlement.differences else 0)


async def _settle(settings: Settings, day: date) -> Settlement:
    database = Database(settings)
    try:
        async with Provider(settings.provider_url, settings.effect_concurrency) as provider:
            return await settle(database, provider, day)
    finally:
        await database.close()


def report(settlement: Settlement) -> list[str]:
    """A settlement in lines a person reads."""
    day = settlement.day
    totals = (
        f"{day} {each['book']:6} {each['kind']:7} {each['count']:7} {each['cents']:14} {each['currency']}"
        for each in settlement.totals
    )
    differences = (
        f"{day} {each['kind']} {each['key']}: {each['what']}"
        f" (ours {each['ours_cents']}, theirs {each['theirs_cents']} cents)"
        for each in settlement.differences
    )
    return [*totals, *differences, f"{day} settled, {len(settlement.differences)} differences"]


def _day(value: str) -> date:
    day = date.fromisoformat(value)
    if day > datetime.now(UTC).date():
        raise argparse.ArgumentTypeError(f"{day} has not come yet")
    return day
