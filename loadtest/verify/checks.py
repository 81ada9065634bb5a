"""One run: wait for rest, read everything, check all ten; again if something moved meanwhile."""

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import asyncpg

from meters import tell
from verify import broker, database, facts, subscriptions
from verify.addresses import Addresses
from verify.errors import CannotCheckError
from verify.mails import check_mails
from verify.messages import check_deliveries, check_leftovers, check_sequence, excused_orders
from verify.money import check_money
from verify.orders import check_stock, check_terminal
from verify.promises import check_indeterminate, check_told
from verify.replication import check_replica
from verify.report import Report, Result
from verify.rest import Rest, Sampler, Say, wait
from verify.rows import Facts
from verify.told import Record

ON_FACTS: tuple[Callable[[Facts], Result], ...] = (check_terminal, check_stock)
UNLESS_EXPLAINED: tuple[Callable[[Facts, frozenset[str]], Result], ...] = (check_leftovers, check_sequence)
# What is set aside on purpose leaves its order unfinished, wherever one looks.
UNLESS_EXCUSED: tuple[Callable[[Facts, frozenset[str]], Result], ...] = (check_money, check_mails, check_deliveries)


@dataclass(frozen=True)
class Request:
    """What to check against: `record` is what clients were told, `explained` the ids of what is as it is on purpose."""

    wait_seconds: float = 60
    record: Record | None = None
    explained: frozenset[str] = frozenset()


async def run(addresses: Addresses, request: Request, say: Say) -> Report:
    """Check everything, and leave the result for the dashboards. Raises `CannotCheckError` where it cannot be done."""
    try:
        report = await _run(addresses, request, say)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise CannotCheckError(f"the databases cannot be read: {error}; see make status") from None
    if addresses.pushgateway and not tell(addresses.pushgateway, report.violations, report.seconds):
        say(f"nobody at {addresses.pushgateway}: dashboards will not show this result")
    return report


async def _run(addresses: Addresses, request: Request, say: Say) -> Report:
    started = time.monotonic()
    subscribers = subscriptions.declared()
    async with AsyncExitStack() as stack:
        databases = await stack.enter_async_context(database.connect(addresses))
        queues = await stack.enter_async_context(broker.connect(addresses))
        sampler = Sampler(databases.primary, queues, subscribers)
        while True:
            left = request.wait_seconds - (time.monotonic() - started)
            rest = await wait(sampler, max(left, 0), say)
            found = await facts.load(addresses, databases, queues, subscribers)
            results = [*_check(found, rest, request), await check_replica(databases)]
            if not rest.reached or await sampler.sample() == rest.sample:
                break
            say("something moved while it was being checked: checking again")
    results.sort(key=lambda result: result.number)
    return Report(results, time.monotonic() - started)


def _check(found: Facts, rest: Rest, request: Request) -> list[Result]:
    told = [check_told(found, request.record), check_indeterminate(found, request.record)]
    explained = [check(found, request.explained) for check in UNLESS_EXPLAINED]
    excused = request.explained | excused_orders(found, request.explained)
    explained += [check(found, excused) for check in UNLESS_EXCUSED]
    return [rest.result, *told, *explained, *(check(found) for check in ON_FACTS)]
