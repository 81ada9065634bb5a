"""All components of a stack: what supervisord is told of, and the configuration each is given."""

import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from native import edge, monitoring, pair, passwords, patroni, postgres, prometheus, rabbitmq, redis, services, tokens
from native.errors import StackError
from native.layout import Layout
from native.plan import Plan
from native.program import Program

# Stopped after everything that talks to them.
SERVERS = (
    *postgres.NODES,
    postgres.PRIMARY,
    postgres.REPLICA,
    "etcd",
    "epmd",
    "rabbitmq",
    "redis",
    "provider",
    "mailsink",
)


def programs(layout: Layout, plan: Plan) -> dict[str, Program]:
    """By name, in the order in which they are shown."""
    everything = [
        *_postgres(plan).programs(layout, plan),
        *rabbitmq.programs(layout, plan),
        redis.program(layout, plan),
        *services.simulators(layout, plan),
        *([] if plan.only_servers else services.programs(layout, plan)),
        edge.program(layout, plan),
        prometheus.program(layout, plan),
        *monitoring.programs(layout, plan),
    ]
    return {program.name: program for program in everything}


def configure(layout: Layout, plan: Plan) -> None:
    """Make the directories, the passwords and every configuration file."""
    for directory in (layout.root, layout.config, layout.logs, layout.root / "data", layout.root / "run"):
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)  # whatever the umask: the server that runs as another user has to get through
    _refuse_closed(layout.root)
    _refuse_other_nodes(layout, plan)
    passwords.generate(layout)
    tokens.generate(layout)
    for part in (_postgres(plan), rabbitmq, redis, edge, prometheus, monitoring, services):
        part.configure(layout, plan)


def stages(plan: Plan | None, known: Iterable[str], *, kept: bool) -> list[set[str]]:
    """What runs, in the order in which it is to stop: clients, servers, the Postgres node that leads, etcd.

    A standby that goes first is not promoted, and a leader that can still reach etcd gives its key back: otherwise the
    next start would wait until that has expired. Where no data is `kept` there are only the Postgres nodes, which would
    leave their shared memory behind if they were killed.
    """
    servers, everything = set(SERVERS) & set(known), set(known)
    if not kept:
        return [{node} & everything for node in reversed(postgres.primary_first(plan))] if plan else []
    last = {"etcd", postgres.primary_first(plan)[0]} if plan and plan.patroni else set()
    return [everything - servers, everything - last, everything - {"etcd"}, everything]


def remove(layout: Layout) -> None:
    """Delete everything that the stack ever wrote."""
    shutil.rmtree(layout.root, ignore_errors=True)


def _postgres(plan: Plan) -> ModuleType:
    return patroni if plan.patroni else pair


def _refuse_closed(root: Path) -> None:
    """Started by root, PostgreSQL runs as another user, who has to get into the directory."""
    closed = [parent for parent in root.parents if not parent.stat().st_mode & 0o001]
    if os.geteuid() == 0 and closed:
        raise StackError(f"the user postgres cannot enter {closed[-1]}: choose another directory with QUICKSAND_STATE")


def _refuse_other_nodes(layout: Layout, plan: Plan) -> None:
    """The databases of a plain pair are not those of the nodes under Patroni, and the other way round."""
    others = postgres.nodes(replace(plan, patroni=not plan.patroni))
    if any(postgres.cluster(layout, node).exists() for node in others):
        kind = "as a plain pair" if plan.patroni else "under Patroni"
        raise StackError(
            f"the databases in {layout.root} were made {kind}, by nodes called {' and '.join(others)}: "
            f"delete them with make down VOLUMES=1 STACK={layout.root.name}, or choose another STACK"
        )
