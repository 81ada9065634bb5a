"""All components of a stack: what supervisord is told of, and the configuration each is given."""

import os
import shutil
from pathlib import Path

from native import edge, passwords, postgres, prometheus, rabbitmq, redis, services, tokens
from native.errors import StackError
from native.layout import Layout
from native.plan import Plan
from native.program import Program

# Stopped after everything that talks to them.
SERVERS = ("postgres-primary", "postgres-replica", "epmd", "rabbitmq", "redis", "provider", "mailsink")


def programs(layout: Layout, plan: Plan) -> dict[str, Program]:
    """By name, in the order in which they are shown."""
    everything = [
        *postgres.programs(layout, plan),
        *rabbitmq.programs(layout, plan),
        redis.program(layout, plan),
        *services.simulators(layout, plan),
        *([] if plan.only_servers else services.programs(layout, plan)),
        edge.program(layout, plan),
        prometheus.program(layout, plan),
    ]
    return {program.name: program for program in everything}


def configure(layout: Layout, plan: Plan) -> None:
    """Make the directories, the passwords and every configuration file."""
    for directory in (layout.root, layout.config, layout.logs, layout.root / "data", layout.root / "run"):
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)  # whatever the umask: the server that runs as another user has to get through
    _refuse_closed(layout.root)
    passwords.generate(layout)
    tokens.generate(layout)
    for part in (postgres, rabbitmq, redis, edge, prometheus, services):
        part.configure(layout, plan)


def remove(layout: Layout) -> None:
    """Delete everything that the stack ever wrote."""
    shutil.rmtree(layout.root, ignore_errors=True)


def _refuse_closed(root: Path) -> None:
    """Started by root, PostgreSQL runs as another user, who has to get into the directory."""
    closed = [parent for parent in root.parents if not parent.stat().st_mode & 0o001]
    if os.geteuid() == 0 and closed:
        raise StackError(f"the user postgres cannot enter {closed[-1]}: choose another directory with QUICKSAND_STATE")
