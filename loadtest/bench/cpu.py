"""Who used the processors: CPU time by component, from /proc.

A process tree's time is what its living processes used and what those that ended meanwhile left to their parents.
"""

import os
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from native import Stack
from native.processes import tree

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
GENERATOR, ELSEWHERE = "generator", "others on the machine"
SHOWN = (
    "order",
    "payment",
    "notification",
    "postgres",
    "rabbitmq",
    "provider",
    "mailsink",
    "edge",
    GENERATOR,
)
REST = "the rest of the stack"  # prometheus, redis, epmd, etcd: they watch or wait


def sample(stack: Stack) -> Mapping[str, float]:
    """CPU seconds used so far, by component; instances of a service, and the Postgres nodes, count as one."""
    used: defaultdict[str, float] = defaultdict(float)
    for name, process in stack.supervisor.processes().items():
        component = re.sub(r"-(\d+|primary|replica)$", "", name)
        pids = tree(process["pid"]) if process["pid"] else []
        used[component if component in SHOWN else REST] += sum(map(_seconds, pids))
    used[GENERATOR] = sum(os.times()[:2])
    used[ELSEWHERE] = _machine_seconds() - sum(used.values())
    return used


def difference(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """CPU seconds used between two samples."""
    return {name: after[name] - before[name] for name in (*SHOWN, REST, ELSEWHERE)}


def _seconds(pid: int) -> float:
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS_PER_SECOND


def _machine_seconds() -> float:
    """Everything but idling and waiting for the disk."""
    user, nice, system, _, __, irq, soft_irq = map(int, (PROC / "stat").read_text().split()[1:8])
    return (user + nice + system + irq + soft_irq) / TICKS_PER_SECOND
