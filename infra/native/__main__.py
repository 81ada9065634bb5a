"""The command line: python -m native <command>. `--help` lists them."""

import argparse
import json
import os
import sys
from collections.abc import Callable

from native import environment, status, tokens
from native.errors import StackError
from native.layout import DEFAULT_STACK
from native.plan import parse_settings, traced
from native.ports import parse_base
from native.stack import Stack

COMPONENT_COMMANDS = {
    "kill": "SIGKILL a component with everything it started; it is started again",
    "freeze": "stop a component in its tracks: connections stay open, nobody answers",
    "resume": "let a frozen component go on",
    "restart": "stop a component gracefully and start it again",
    "start": "start a component that was stopped",
    "stop": "stop a component gracefully; it stays away until it is started",
}


def main() -> None:
    """Run one command; a mistake of the user's is one sentence and exit status 1."""
    arguments = _parser().parse_args()
    try:
        stack = Stack(
            arguments.stack, base_port=parse_base(arguments.base_port), report=lambda line: print(line, flush=True)
        )
        COMMANDS.get(arguments.command, _component)(stack, arguments)
    except StackError as error:
        sys.exit(str(error))
    except BrokenPipeError:  # whoever read our output has seen enough, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit("interrupted: what was started keeps running; end it with: make down")


def _up(stack: Stack, arguments: argparse.Namespace) -> None:
    print(f"starting '{stack.name}' in {stack.layout.root}", flush=True)
    only_servers = arguments.only == "servers"
    settings = traced(parse_settings(arguments.set), os.environ.get("OTLP_ENDPOINT"))
    if not stack.up(replicas=arguments.replicas, settings=settings, only_servers=only_servers):
        print(f"'{stack.name}' is up already, nothing to do")
    print("\n".join(status.urls(stack)))


def _down(stack: Stack, arguments: argparse.Namespace) -> None:
    stack.down(volumes=arguments.volumes)
    kept = f"; its data stays in {stack.layout.root}" if stack.layout.root.exists() else ""
    print(f"'{stack.name}' is down{kept}")


def _status(stack: Stack, arguments: argparse.Namespace) -> None:
    lines, healthy = status.table(stack)
    print("\n".join(lines))
    sys.exit(0 if healthy else 1)


def _logs(stack: Stack, arguments: argparse.Namespace) -> None:
    names = [arguments.component] if arguments.component else list(stack.programs)
    files = [str(file) for name in names if (file := stack.layout.log(name)).exists()]
    if not files:
        raise StackError(f"there is no log of '{', '.join(names)}': {stack.layout.logs} has what there is")
    follow = ["-F"] if arguments.follow else []
    os.execv("/usr/bin/tail", ["tail", "-n", str(arguments.lines), *follow, *files])  # noqa: S606  needs no shell


def _env(stack: Stack, arguments: argparse.Namespace) -> None:
    component = arguments.component
    values = environment.of_component(stack, component) if component else environment.variables(stack)
    print(json.dumps(values, indent=2) if arguments.json else environment.shell(values))


def _failover(stack: Stack, arguments: argparse.Namespace) -> None:
    stack.failover()


def _component(stack: Stack, arguments: argparse.Namespace) -> None:
    getattr(stack, arguments.command)(arguments.component)
    print(f"{arguments.component}: {arguments.command} done")


def _rotate(stack: Stack, _: argparse.Namespace) -> None:
    if not tokens.signing_key(stack.layout).exists():
        raise StackError(f"'{stack.name}' has no keys yet: start it first (make up)")
    tokens.rotate(stack.layout)
    print(tokens.ROTATED)


COMMANDS: dict[str, Callable[[Stack, argparse.Namespace], None]] = {
    "up": _up,
    "down": _down,
    "status": _status,
    "logs": _logs,
    "env": _env,
    "failover": _failover,
    "rotate": _rotate,
}


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--stack", default=os.environ.get("STACK") or DEFAULT_STACK, help="its name (env STACK)")
    base = os.environ.get("BASE_PORT") or None
    shared.add_argument("--base-port", default=base, help="the edge's port; 59 more follow (env BASE_PORT)")

    parser = argparse.ArgumentParser(prog="python -m native", description="The whole deployment as plain processes.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    up = commands.add_parser("up", parents=[shared], help="start what does not run and wait until all of it serves")
    up.add_argument("--replicas", type=int, default=1, help="instances of each service (1)")
    up.add_argument("--set", action="append", default=[], metavar="SERVICE.QS_X=VALUE", help="a setting of a service")
    up.add_argument("--only", choices=["servers"], help="everything but the three services")
    down = commands.add_parser("down", parents=[shared], help="stop everything; the data stays")
    down.add_argument("--volumes", action="store_true", help="delete the data too")
    commands.add_parser("status", parents=[shared], help="what runs, since when, on which ports")
    commands.add_parser("rotate", parents=[shared], help="sign bearer tokens with a new key, without a restart")
    logs = commands.add_parser("logs", parents=[shared], help="the last lines of one log, or of all")
    logs.add_argument("component", nargs="?")
    logs.add_argument("--follow", "-f", action="store_true", help="and what comes after them")
    logs.add_argument("--lines", "-n", type=int, default=20)
    env = commands.add_parser("env", parents=[shared], help="addresses for a shell, or a component's own variables")
    env.add_argument("component", nargs="?")
    env.add_argument("--json", action="store_true")
    commands.add_parser(
        "failover", parents=[shared], help="let the other Postgres node lead, and wait until both serve"
    )
    for name, description in COMPONENT_COMMANDS.items():
        commands.add_parser(name, parents=[shared], help=description).add_argument("component")
    return parser


if __name__ == "__main__":
    main()
