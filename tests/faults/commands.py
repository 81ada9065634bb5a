"""What a person types to look after a service: `python -m chassis parked ..` and `outbox ..`."""

import asyncio
import subprocess

from native import Stack, environment, jobs
from native.layout import PYTHON

TIMEOUT_SECONDS = 60


async def chassis(stack: Stack, service: str, *words: str) -> str:
    """Run it with the service's own settings; what it printed. `words` without the service: ("parked", "list")."""
    command, action, *rest = words
    variables = jobs.environment(stack.layout) | environment.of_component(stack, service)
    line = (str(PYTHON), "-m", "chassis", command, action, service, *rest)
    done = await asyncio.to_thread(
        subprocess.run,
        line,
        env=variables,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stderr
    return done.stdout
