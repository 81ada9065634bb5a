"""Between two tests: the same stack, with nothing in it. Restarting it each time would take four times as long."""

import asyncio
import sqlite3
from contextlib import closing

from faults.system import SKUS, STOCKED, System
from outside.books import DATABASES

TABLES = """
    SELECT string_agg(quote_ident(relname), ', ') FROM pg_class
    WHERE relnamespace = CAST('public' AS regnamespace) AND relkind IN ('r', 'p') AND NOT relispartition
      AND relname NOT IN ('alembic_version', 'products', 'stock')
"""


async def reset(system: System) -> None:
    """Empty everything; where the test before did not come to rest, with all services away meanwhile."""
    await _set(system, "mailsink", "/api/v1/chaos")
    if system.at_rest and all(system.stack.is_ready(name) for name in system.everything):
        await _emptied(system)
    else:
        for name, process in system.stack.supervisor.processes().items():
            if process["pid"]:
                system.stack.resume(name)
        await system.gone(*system.everything)
        await system.applied_topology()
        for queue in system.broker.get("queues"):
            system.purge(queue["vhost"], queue["name"])
        await _emptied(system)
        await system.ready(*system.everything)
    await system.shop.opened()
    for sku in SKUS:
        await system.shop.stock_up(STOCKED, sku=sku)
    system.at_rest = False


async def _emptied(system: System) -> None:
    for database in DATABASES:
        tables = await asyncio.to_thread(system.stack.sql, TABLES, database)
        await asyncio.to_thread(system.stack.sql, f"TRUNCATE {tables}", database)
    await asyncio.to_thread(system.stack.sql, "UPDATE stock SET available = stocked, reserved = 0, sold = 0", "orders")
    # It still works on what slow cards' customers gave up long ago, and would take that for new.
    await asyncio.to_thread(system.stack.kill, "provider")
    await asyncio.to_thread(system.stack.wait_ready, "provider")
    file = system.stack.layout.data("provider") / "ledger.sqlite3"
    with closing(sqlite3.connect(file, timeout=10)) as ledger, ledger:
        ledger.execute("DELETE FROM ledger")
        ledger.execute("DELETE FROM charges")
    async with system.session.delete(f"{system.stack.url('mailsink')}/api/v1/messages") as answer:
        assert answer.status == 200, await answer.text()


async def _set(system: System, component: str, path: str) -> None:
    """No faults."""
    async with system.session.put(f"{system.stack.url(component)}{path}", json={}) as answer:
        assert answer.status == 200, await answer.text()
