"""`python -m chassis serve|migrate|parked|outbox ..`: one command line for every service."""

import argparse
import importlib.util

from chassis import operate
from chassis.migrations import migrate


def serve(service: str) -> None:
    """Run the service that `<service>/app.py` puts together."""
    importlib.import_module(f"{service}.app").service.run()


def main() -> None:
    """Parse the command line and do it."""
    parser = argparse.ArgumentParser(prog="python -m chassis", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run a service").add_argument("service")
    commands.add_parser("migrate", help="bring a service's database to its code's version").add_argument("service")
    operate.add_commands(commands)
    arguments = parser.parse_args()
    for name in (arguments.service, getattr(arguments, "to", None)):
        if name is not None and importlib.util.find_spec(name) is None:
            parser.error(f"no service named '{name}' is installed here")
    if arguments.command == "serve":
        serve(arguments.service)
    elif arguments.command == "migrate":
        migrate(arguments.service)
    else:
        operate.run(arguments)


if __name__ == "__main__":
    main()
