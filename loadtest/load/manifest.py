"""What a run was made with, so that it can be made again: versions, machine, profile, settings."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from load.plan import Plan
from native import Stack
from native.layout import CHECKOUT
from runtime import Running

PACKAGES = ("locust", "gevent", "fastapi", "sqlalchemy", "asyncpg", "aio-pika")


def manifest(plan: Plan, stack: Running, capacity: float | None) -> dict[str, Any]:
    """As it is written to manifest.json. `capacity`: measured just before, in orders a second."""
    return {
        "run": plan.run,
        "profile": plan.profile,
        "seed": plan.seed,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "capacity_orders_per_second": capacity,
        "phases": [phase._asdict() for phase in plan.phases],
        "commit": _git("rev-parse", "HEAD"),
        "changed_files": len(_git("status", "--porcelain").splitlines()),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "machine": {
            "cores": os.cpu_count(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "system": f"{platform.system()} {platform.release()}",
            "processor": _processor(),
            "load_average": os.getloadavg(),
        },
        "stack": _stack(stack),
    }


def _stack(stack: Running) -> dict[str, Any]:
    found = {"name": stack.name, "replicas": len(stack.instances("order"))}
    if isinstance(stack, Stack):
        return {**found, "runtime": "native", "settings": dict(stack.plan.settings)}
    return {**found, "runtime": "compose"}


def _git(*words: str) -> str:
    try:
        said = subprocess.run(["git", *words], cwd=CHECKOUT, capture_output=True, text=True, check=False)  # noqa: S603, S607  fixed words
    except OSError:
        return ""
    return said.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
