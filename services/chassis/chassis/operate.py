"""What a person does to a service from the command line: look at what is parked or pending, replay, drop, republish."""

import argparse
import asyncio
import importlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from chassis import backfill, parked, tracing
from chassis.broker import Publisher
from chassis.db import Database
from chassis.events import Contract
from chassis.settings import ServiceSettings

PENDING = text("""
    SELECT outbox.subject, min(outbox.created_at) AS since, count(*) AS events, min(type) AS first,
           max(attempts) AS attempts, max(reason) AS reason, max(next_attempt_at) AS next_attempt_at
    FROM outbox LEFT JOIN outbox_blocked USING (subject) WHERE published_at IS NULL
    GROUP BY outbox.subject ORDER BY since
""")


def add_commands(commands: Any) -> None:
    """`parked list|show|replay|drop` and `outbox list|republish`."""
    parking = commands.add_parser("parked", help="events and effects that wait for a person")
    parking.add_argument("action", choices=("list", "show", "replay", "drop"))
    parking.add_argument("service")
    parking.add_argument("id", nargs="?", type=UUID, help="of what is parked, or of its order; without: everything")
    outbox = commands.add_parser("outbox", help="events that wait for the broker, or are to be sent again")
    outbox.add_argument("action", choices=("list", "republish"))
    outbox.add_argument("service")
    outbox.add_argument("--to", help="the one subscriber that gets them again")
    outbox.add_argument("--since", type=_time, help="from this time on, as 2026-01-31T12:00:00Z")
    for parser in (parking, outbox):
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def _time(value: str) -> datetime:
    time = datetime.fromisoformat(value)
    if time.tzinfo is None:
        raise argparse.ArgumentTypeError("say the time zone, as in 2026-01-31T12:00:00Z")
    return time


def run(arguments: argparse.Namespace) -> None:
    """Do it. Raises `SystemExit` with a sentence."""
    if arguments.action in ("show", "drop") and arguments.id is None:
        raise SystemExit(f"parked {arguments.action}: say which, by its id or its order's")
    if arguments.action == "republish" and (arguments.to is None or arguments.since is None):
        raise SystemExit("outbox republish: say --to which subscriber and --since when")
    settings = importlib.import_module(f"{arguments.service}.settings").Settings.load()
    asyncio.run(_run(arguments, settings))


async def _run(arguments: argparse.Namespace, settings: ServiceSettings) -> None:
    database = Database(settings)
    tracing.start(arguments.service, settings.otlp_endpoint)
    try:
        if arguments.command == "parked":
            await _parked(arguments, database)
        elif arguments.action == "list":
            await _pending(database)
        else:
            await _republish(arguments, settings, database)
    finally:
        await database.close()
        await tracing.stop()


async def _parked(arguments: argparse.Namespace, database: Database) -> None:
    async with database.query("primary") as session:
        rows = await parked.find(session, arguments.id)
    if arguments.action == "list" or arguments.dry_run:
        for row in rows:
            print(
                f"{row.parked_at:%Y-%m-%dT%H:%M:%SZ} {row.id} order {row.subject} {row.source} {row.type}: {row.reason}"
            )
        print(f"{len(rows)} parked" + (f"; {arguments.action} would take them all" if arguments.dry_run else ""))
    elif arguments.action == "show":
        for row in rows:
            print(f"{row.id} {row.source} {row.type} {row.reason}\n{row.body.decode(errors='replace')}")
    elif arguments.action == "drop":
        print(f"{len(await parked.drop(database, arguments.id))} dropped")
    else:
        consumer = importlib.import_module(f"{arguments.service}.handlers").consumer
        try:
            print(f"{len(await parked.replay(database, consumer, arguments.id))} replayed")
        except parked.ReplayError as error:
            raise SystemExit(str(error)) from None


async def _pending(database: Database) -> None:
    async with database.query("primary") as session:
        rows = (await session.execute(PENDING)).all()
    for row in rows:
        refused = (
            f"; refused {row.attempts} times ({row.reason}), next try {row.next_attempt_at}" if row.attempts else ""
        )
        print(f"order {row.subject}: {row.events} since {row.since}, first {row.first}{refused}")
    print(f"{len(rows)} orders have events that are not published")


async def _republish(arguments: argparse.Namespace, settings: ServiceSettings, database: Database) -> None:
    ours: Contract = importlib.import_module(f"{arguments.service}.events").CONTRACT
    theirs: Contract = importlib.import_module(f"{arguments.to}.events").CONTRACT
    rows: Sequence[Row[Any]] = await backfill.published_since(database, ours, theirs, arguments.since)
    if not arguments.dry_run:
        publisher = Publisher(settings, ours.vhost)
        await publisher.open()
        try:
            await backfill.republish(rows, publisher, ours.service, theirs)
        finally:
            await publisher.close()
    print(
        f"{len(rows)} events {'would be' if arguments.dry_run else ''} republished to {theirs.service}".replace(
            "  ", " "
        )
    )
