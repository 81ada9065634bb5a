"""`python -m doctor`: names every order past its deadline that something is still outstanding for, and what.

Exits 1 if there is one, 2 if it could not look.
"""

import argparse
import asyncio
import sys

import asyncpg

from doctor.diagnosis import examine
from verify.addresses import Addresses
from verify.database import connect
from verify.errors import CannotCheckError

EXIT_FOUND, EXIT_CANNOT = 1, 2


async def run(stack: str | None) -> int:
    """Print one block per order. Returns the exit status."""
    async with connect(Addresses.load(stack)) as databases:
        findings = await examine(databases.primary)
    for order_id, finding in findings.items():
        print(f"order {order_id} {finding.status}, {finding.overdue_seconds:.0f} s past its deadline")
        for line in finding.waits:
            print(f"  waits for {line}")
    print(f"{len(findings)} overdue orders have something outstanding")
    return EXIT_FOUND if findings else 0


def main() -> None:
    """Parse the command line and look."""
    parser = argparse.ArgumentParser(prog="python -m doctor", description=__doc__)
    parser.add_argument("--stack", help="the stack's name; else STACK, else the default one")
    try:
        sys.exit(asyncio.run(run(parser.parse_args().stack)))
    except CannotCheckError as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_CANNOT)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        print(f"the databases cannot be read: {error or type(error).__name__}; see make status", file=sys.stderr)
        sys.exit(EXIT_CANNOT)


if __name__ == "__main__":
    main()
