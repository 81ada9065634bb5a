"""The command line: python -m compose <command>, the same commands as python -m native. `--help` lists them."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from compose import before, docker, engine, environment
from compose.production import make_secrets, rotate_key
from compose.project import Project
from native import tokens
from native.__main__ import COMPONENT_COMMANDS
from native.environment import shell
from native.errors import StackError
from native.layout import DEFAULT_STACK
from native.ports import parse_base


def main() -> None:
    """Run one command; a mistake of the user's is one sentence and exit status 1."""
    arguments = _parser().parse_args()
    try:
        project = Project(
            arguments.stack, base_port=parse_base(arguments.base_port), report=lambda line: print(line, flush=True)
        )
        COMMANDS.get(arguments.command, _component)(project, arguments)
    except StackError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("interrupted: what was started keeps running; end it with: make down")


def _up(project: Project, arguments: argparse.Namespace) -> None:
    engine.refuse_unfit()
    project.up(replicas=arguments.replicas)
    print("\n".join(environment.urls(project)))


def _down(project: Project, arguments: argparse.Namespace) -> None:
    project.down(volumes=arguments.volumes)
    kept = "" if arguments.volumes else "; its data stays in volumes"
    print(f"'{project.name}' is down{kept}")


def _status(project: Project, _: argparse.Namespace) -> None:
    components = project.components
    if not components:
        raise StackError(f"'{project.name}' does not run: start it with: make up STACK={project.name}")
    print(f"{'COMPONENT':<24}{'STATE':<12}PORTS")
    for name, one in components.items():
        state = "frozen" if one.state == "paused" else one.health if one.state == "running" else one.state
        print(f"{name:<24}{state or one.state:<12}{' '.join(map(str, one.ports.values()))}")
    sys.exit(0 if all(one.ready for one in components.values()) else 1)


def _logs(project: Project, arguments: argparse.Namespace) -> None:
    follow = ["--follow"] if arguments.follow else []
    options = [*follow, "--tail", str(arguments.lines)]
    if arguments.component:
        sys.exit(docker.show("logs", *options, project.find(arguments.component).id))
    sys.exit(docker.show("compose", "logs", *options, environment=project.environment()))


def _env(project: Project, _: argparse.Namespace) -> None:
    print(shell(environment.variables(project)))


def _failover(project: Project, _: argparse.Namespace) -> None:
    project.failover()


def _secrets(_: Project, arguments: argparse.Namespace) -> None:
    made = make_secrets(arguments.directory)
    print(f"{made} secrets made in {arguments.directory}, which nobody else can enter; what was there stays")


def _rotate(_: Project, __: argparse.Namespace) -> None:
    rotate_key(before.secrets_directory())
    print(tokens.ROTATED)


def _component(project: Project, arguments: argparse.Namespace) -> None:
    getattr(project, arguments.command)(arguments.component)
    print(f"{arguments.component}: {arguments.command} done")


COMMANDS: dict[str, Callable[[Project, argparse.Namespace], None]] = {
    "up": _up,
    "down": _down,
    "status": _status,
    "logs": _logs,
    "env": _env,
    "failover": _failover,
    "secrets": _secrets,
    "rotate": _rotate,
}


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--stack", default=os.environ.get("STACK") or DEFAULT_STACK, help="the project (env STACK)")
    base = os.environ.get("BASE_PORT") or None
    shared.add_argument("--base-port", default=base, help="the edge's port; 59 more follow (env BASE_PORT)")

    parser = argparse.ArgumentParser(prog="python -m compose", description="The whole deployment in containers.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    up = commands.add_parser("up", parents=[shared], help="build, start what does not run, wait until all of it serves")
    up.add_argument("--replicas", type=int, default=1, help="instances of each service (1)")
    down = commands.add_parser("down", parents=[shared], help="stop everything; the data stays")
    down.add_argument("--volumes", action="store_true", help="delete the data and the images built here too")
    commands.add_parser("status", parents=[shared], help="what runs, and on which ports")
    logs = commands.add_parser("logs", parents=[shared], help="the last lines of one log, or of all")
    logs.add_argument("component", nargs="?")
    logs.add_argument("--follow", "-f", action="store_true", help="and what comes after them")
    logs.add_argument("--lines", "-n", type=int, default=20)
    commands.add_parser("env", parents=[shared], help="addresses for a shell, and the passwords' place")
    commands.add_parser("failover", parents=[shared], help="let the other Postgres node lead")
    own = commands.add_parser(
        "secrets", parents=[shared], help="make a directory of secrets of your own, for production"
    )
    own.add_argument("directory", type=Path)
    commands.add_parser(
        "rotate", parents=[shared], help="sign bearer tokens with a new key, without a restart (env SECRETS)"
    )
    for name, description in COMPONENT_COMMANDS.items():
        commands.add_parser(name, parents=[shared], help=description).add_argument("component")
    return parser


if __name__ == "__main__":
    main()
