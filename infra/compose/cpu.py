"""CPU time of a project's containers, as each one's own control group counts it, of version 1 or 2."""

import re
from concurrent.futures import ThreadPoolExecutor

from compose import docker
from compose.containers import Container

READ = "cat /sys/fs/cgroup/cpu.stat 2> /dev/null || cat /sys/fs/cgroup/cpuacct/cpuacct.usage"
MICROSECONDS, NANOSECONDS = 1e6, 1e9


def seconds(components: dict[str, Container]) -> dict[str, float]:
    """What each has used since it was started, by name. Asking costs each of them a millisecond or two."""
    running = {name: one for name, one in components.items() if one.state == "running"}
    with ThreadPoolExecutor(max(1, len(running))) as pool:
        return dict(zip(running, pool.map(_used, running.values()), strict=True))


def _used(one: Container) -> float:
    text = docker.run("exec", one.id, "sh", "-c", READ)
    counted = re.search(r"^usage_usec (\d+)", text, re.MULTILINE)
    return int(counted[1]) / MICROSECONDS if counted else int(text) / NANOSECONDS
