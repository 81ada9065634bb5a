"""The command line: python -m bench [--orders 2000] [--concurrency 64]; the stack must be up.

Ends with `verify`, and with its exit status: a fast run that lost an order is no result.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import asyncpg
import uvloop

import runtime
from bearer import NoKeyError
from bench.report import lines
from bench.run import run
from bench.shop import Order
from native import StackError
from native.layout import DEFAULT_STACK
from runtime import Running
from verify.told import Recorder


def main() -> None:
    """Measure, print, verify; a mistake of the user's is one sentence and exit status 1."""
    arguments = _parser().parse_args()
    try:
        stack = runtime.running(arguments.stack)
        results, orders = uvloop.run(run(stack, arguments.orders, arguments.concurrency))
    except (StackError, NoKeyError) as error:
        sys.exit(str(error))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        sys.exit(f"the stack broke off: {error or type(error).__name__}; see make status")
    except KeyboardInterrupt:
        sys.exit("interrupted: the orders under way go on; look with: make verify")
    print("\n".join(lines(results, arguments.concurrency)), flush=True)
    sys.exit(_verify(stack, orders))


def _verify(stack: Running, orders: Iterable[Order]) -> int:
    file = Path(tempfile.gettempdir()) / f"quicksand-bench-{stack.name}-{os.getuid()}.jsonl"
    file.unlink(missing_ok=True)
    with Recorder(file) as recorder:
        for order in orders:
            recorder.add(order.told)
    command = [sys.executable, "-m", "verify", "--stack", stack.name, "--told", str(file)]
    print(f"\npython {' '.join(command[1:])}", flush=True)
    return subprocess.run(command, check=False).returncode  # noqa: S603  our own program and words


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Sagas a second, and what each costs.")
    parser.add_argument("--orders", type=_positive, default=2000, help="how many (2000)")
    parser.add_argument("--concurrency", type=_positive, default=64, help="how many at a time (64)")
    parser.add_argument("--stack", default=os.environ.get("STACK") or DEFAULT_STACK, help="its name (env STACK)")
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return int(text)


if __name__ == "__main__":
    main()
