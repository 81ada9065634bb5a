"""The command line: `python -m topology generate|users|apply|check`. Each command imports only what it needs."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from chassis import faults
from topology.files import DEFINITIONS, read_definitions


def generate(options: argparse.Namespace) -> int:
    """Write the generated files, or compare them."""
    from topology.generate import default_partitions, run  # noqa: PLC0415  the services' code, needed only here

    return run(options.partitions or default_partitions(), check=options.check)


def users(options: argparse.Namespace) -> int:
    """Print the boot definitions."""
    from topology.users import run  # noqa: PLC0415

    return run(read_definitions(options.definitions))


def apply(options: argparse.Namespace) -> int:
    """Apply, then compare; or only compare."""
    from topology.apply import run  # noqa: PLC0415

    return run(read_definitions(options.definitions), change=not options.check, wait_seconds=options.wait_seconds)


def check(_: argparse.Namespace) -> int:
    """Try the border."""
    from topology.check import run  # noqa: PLC0415  needs an AMQP client and the services' code

    return run()


def partitions(text: str) -> int:
    """A number of partitions that two digits can name."""
    if not text.isdigit() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1 to 64")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    root = argparse.ArgumentParser(prog="python -m topology", description="The messaging topology of the services.")
    commands = root.add_subparsers(required=True, metavar="command")

    def command(name: str, function: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(function=function)
        return added

    generating = command(
        "generate", generate, "Write definitions.json and docs/asyncapi.json from the services' events."
    )
    generating.add_argument("--check", action="store_true", help="write nothing; exit 1 and show what differs")
    generating.add_argument("--partitions", type=partitions, help="queues per subscriber (default: the services' own)")
    using = command("users", users, "Print users, vhosts and permissions, for the broker to load when it boots.")
    applying = command("apply", apply, "Apply definitions.json to the broker, then exit 1 and name what differs.")
    applying.add_argument("--check", action="store_true", help="change nothing, only compare")
    applying.add_argument("--wait-seconds", type=float, default=60.0, help="how long the broker may take to come up")
    for reading in (using, applying):
        reading.add_argument("--definitions", type=Path, default=DEFINITIONS, help="default: the committed file")
    command("check", check, "Try, user by user, what the broker must refuse, and print what happened.")
    return root


def main() -> int:
    """Run one command."""
    options = parser().parse_args()
    try:
        faults.arm(os.environ.get("FAULT"))
    except ValueError as error:
        raise SystemExit(f"FAULT: {error}") from None
    status: int = options.function(options)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
