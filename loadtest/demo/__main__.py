"""`python -m demo`: orders that end in every way an order can, each with its chain of events; then `verify`.

Takes about half a minute. The exit status is that of `verify`, or 1 where the demonstration could not go on.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import asyncpg

from bearer import NoKeyError, Tokens
from demo.chain import Chains
from demo.errors import DemoError
from demo.machine import breakable_stack, hasty_orders
from demo.provider import Provider
from demo.shop import Shop
from demo.stories import EVERYWHERE, PRODUCTS, Stage, Story, expired
from native import StackError
from native.layout import DEFAULT_STACK
from runtime import Running
from verify import checks, database, subscriptions, told
from verify.addresses import Addresses
from verify.errors import CannotCheckError

TIMEOUT_SECONDS = 15
CANNOT_CHECK = 2


def main() -> None:
    """Show it; a mistake of the user's is one sentence."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--stack", help="a stack's name (env STACK, where no addresses are set)")
    arguments = parser.parse_args()
    try:
        sys.exit(asyncio.run(_demonstrate(arguments.stack)))
    except (DemoError, NoKeyError, StackError) as error:
        sys.exit(str(error))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        sys.exit(f"the databases cannot be read: {error}; see make status")
    except CannotCheckError as error:
        print(error, file=sys.stderr)
        sys.exit(CANNOT_CHECK)
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("interrupted: what was frozen goes on, the provider's faults are as they were")


async def _demonstrate(name: str | None) -> int:
    _end_tidily()
    addresses = Addresses.load(name)
    stack = breakable_stack(addresses, name or os.environ.get("STACK") or DEFAULT_STACK)
    with tempfile.TemporaryDirectory(prefix="quicksand-demo-") as directory:
        record = Path(directory) / "told.jsonl"
        await _tell(addresses, Tokens.load(name), stack, record)
        print("python -m verify", flush=True)
        request = checks.Request(record=told.read(record))
        report = await checks.run(addresses, request, lambda words: print(words, file=sys.stderr, flush=True))
    print("\n".join(report.lines))
    return 0 if report.ok else 1


async def _tell(addresses: Addresses, tokens: Tokens, stack: Running | None, record: Path) -> None:
    async with AsyncExitStack() as block:
        recorder = block.enter_context(told.Recorder(record))
        databases = await block.enter_async_context(database.connect(addresses))
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        http = await block.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        provider = Provider(http, addresses.provider)
        await block.enter_async_context(provider.faults())
        hasty = await block.enter_async_context(hasty_orders(stack)) if stack else None
        shop = Shop(http, addresses.edge, recorder, tokens)
        chains = Chains(databases.primary, subscriptions.declared())
        for product in PRODUCTS:
            await shop.stock_up(product)
        print(f"{len(PRODUCTS)} products are offered at {addresses.edge}\n", flush=True)
        stage = Stage(shop, provider, chains, stack, hasty)
        for story in (*EVERYWHERE, *([expired] if stack else [])):
            await _play(story, stage)
        if stack is None:
            print("left out: an order that expires, because nothing can be frozen at these addresses\n")


async def _play(story: Story, stage: Stage) -> None:
    print(story.__doc__, flush=True)
    chain = await stage.chains.complete(await story(stage))
    print("\n".join(chain.lines), end="\n\n", flush=True)


def _end_tidily() -> None:
    """Whoever interrupts or terminates this finds everything as it was before."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


if __name__ == "__main__":
    main()
