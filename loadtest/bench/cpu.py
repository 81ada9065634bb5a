"""Who used the processors: CPU time by component, natively from /proc, of containers as their control groups count it.

A process tree's time is what its living processes used and what those that ended meanwhile left to their parents.
"""

import os
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from native import Stack
from native.processes import tree
from runtime import Running

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
ALSO_CALLED = {"mail": "mailsink"}
REST = "the rest of the stack"  # prometheus, redis, epmd, etcd: they watch or wait


def sample(stack: Running) -> Mapping[str, float]:
    """CPU seconds used so far, by component; instances of a service, and the Postgres nodes, count as one."""
    used: defaultdict[str, float] = defaultdict(float)
    for name, seconds in (_of_processes(stack) if isinstance(stack, Stack) else stack.cpu_seconds()).items():
        component = ALSO_CALLED.get(name) or re.sub(r"-(\d+|primary|replica)$", "", name)
        used[component if component in SHOWN else REST] += seconds
    used[GENERATOR] = sum(os.times()[:2])
    used[ELSEWHERE] = _machine_seconds() - sum(used.values())
    return used


def _of_processes(stack: Stack) -> dict[str, float]:
    pids = {name: process["pid"] for name, process in stack.supervisor.processes().items()}
    return {name: sum(map(_seconds, tree(pid))) if pid else 0.0 for name, pid in pids.items()}


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
    if not (PROC / "stat").exists():  # the engine is in a machine of its own
        return 0.0
    user, nice, system, _, __, irq, soft_irq = map(int, (PROC / "stat").read_text().split()[1:8])
    return (user + nice + system + irq + soft_irq) / TICKS_PER_SECOND
