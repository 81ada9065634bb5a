"""The command line: exit status 0 when every invariant holds, 1 when one does not, 2 when they could not be checked."""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from verify import checks, told
from verify.addresses import Addresses
from verify.errors import CannotCheckError
from verify.report import Report

RED, CANNOT_CHECK = 1, 2


def main() -> None:
    """Check and print."""
    arguments = _parser().parse_args()
    try:
        report = asyncio.run(_check(arguments))
    except CannotCheckError as error:
        print(f"cannot check: {error}", file=sys.stderr)
        sys.exit(CANNOT_CHECK)
    except KeyboardInterrupt:
        print("interrupted: nothing was changed", file=sys.stderr)
        sys.exit(CANNOT_CHECK)
    print(json.dumps(report.document, indent=2) if arguments.json else "\n".join(report.lines))
    sys.exit(0 if report.ok else RED)


async def _check(arguments: argparse.Namespace) -> Report:
    record = told.read(arguments.told) if arguments.told else None
    addresses = Addresses.load(arguments.stack)
    request = checks.Request(arguments.wait, record, frozenset(arguments.explained))
    return await checks.run(addresses, request, _say)


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m verify", description="Check the ten invariants: docs/verify.md.")
    parser.add_argument("--wait", type=float, default=60, metavar="SECONDS", help="how long to wait for rest (60)")
    parser.add_argument("--told", type=Path, metavar="FILE", help="what clients were told: a generator's JSON lines")
    parser.add_argument(
        "--explained",
        action="append",
        default=[],
        metavar="ID",
        help="parked or republished on purpose: it or its order",
    )
    parser.add_argument("--stack", help="a stack's name (env STACK, where no addresses are set)")
    parser.add_argument("--json", action="store_true", help="the report as a JSON document, with every name in it")
    return parser


if __name__ == "__main__":
    main()
