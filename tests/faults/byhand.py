"""A replica run by hand in the place of a supervised one: with a crash point armed, or with a mutant's code."""

import asyncio
import signal
import subprocess
from pathlib import Path

from native import Stack, environment, jobs, processes
from native.layout import PYTHON
from native.ports import split_instance
from outside.waiting import eventually

STARTS_WITHIN_SECONDS = 60.0
DIES_WITHIN_SECONDS = 60.0
POLL_SECONDS = 0.1


class ByHand:
    """One process, with the environment of the component that it stands in for."""

    def __init__(self, stack: Stack, component: str, *, fault: str = "", mutant: str = "") -> None:
        service, _ = split_instance(component)
        self._stack = stack
        self._component = component
        command = ["faults.mutants", mutant, service] if mutant else ["chassis", "serve", service]
        self._command: list[str | Path] = [PYTHON, "-m", *command]
        self._fault = {"FAULT": fault} if fault else {}
        self.log = stack.layout.logs / f"{component}-by-hand.log"
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it and wait until it serves, or is already at its crash point."""
        await asyncio.to_thread(self._spawn)
        await eventually(self._is_there, bool, seconds=STARTS_WITHIN_SECONDS)
        assert await self._code() in (None, -signal.SIGKILL), f"it could not start: see {self.log}"

    async def _is_there(self) -> bool:
        if await self._is_frozen() or await self._code() is not None:
            return True
        return await asyncio.to_thread(self._stack.is_ready, self._component)

    def _spawn(self) -> None:
        variables = jobs.environment(self._stack.layout) | environment.of_component(self._stack, self._component)
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                self._command,
                env=variables | self._fault,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    async def died(self) -> None:
        """Wait until it has killed itself."""
        code = await eventually(self._code, lambda code: code is not None, seconds=DIES_WITHIN_SECONDS)
        assert code == -signal.SIGKILL, f"it was to die at its crash point, but ended with {code}: see {self.log}"

    async def restarted_for_ever(self) -> None:
        """Start it again whenever it has died, as its supervisor would, until this is cancelled."""
        while True:
            if await self._code() is not None:
                await asyncio.to_thread(self._spawn)
            await asyncio.sleep(POLL_SECONDS)

    async def froze(self) -> None:
        """Wait until it has stopped itself."""
        await eventually(self._is_frozen, bool, seconds=DIES_WITHIN_SECONDS)

    async def _code(self) -> int | None:
        assert self._process is not None
        return self._process.poll()

    async def _is_frozen(self) -> bool:
        return processes.is_frozen(self.pid)

    def resume(self) -> None:
        """Let it go on after a freeze."""
        processes.resume(self.pid)

    async def serves(self) -> None:
        """Wait until it answers that it is ready, and is still the same process."""
        await asyncio.to_thread(self._stack.wait_ready, self._component)
        assert await self._code() is None, f"it has ended: see {self.log}"

    async def stop(self) -> None:
        """Kill it, whatever it does; nothing if it is gone."""
        if self._process is not None and self._process.poll() is None:
            processes.kill(self.pid)
            await asyncio.to_thread(self._process.wait)
