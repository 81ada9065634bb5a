"""What is done to the machines for an order that really expires. Nothing that runs is changed for good.

No customer can choose an order's deadline, and the usual two minutes are long to watch. So one more instance of the
order service is started, with a short time to live: an order placed with it is like any other, only expires soon.
Meanwhile the payment service is frozen, so that nobody answers.
"""

import asyncio
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

import runtime
from compose import Project, docker
from demo.errors import DemoError
from native import Stack, StackError, environment, jobs, probes
from native.layout import PYTHON
from native.ports import HOST
from runtime import Running
from verify.addresses import Addresses

TTL_SECONDS = 2
START_SECONDS = 30.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.1
NAME = "order-demo"


def breakable_stack(addresses: Addresses, name: str) -> Running | None:
    """The stack whose components can be frozen here; `None` where the addresses are not those of one."""
    try:
        stack = runtime.running(name)
        return stack if runtime.variables(stack)["EDGE_URL"] == addresses.edge else None
    except StackError:
        return None


@contextmanager
def frozen(stack: Running, service: str) -> Iterator[None]:
    """All instances of a service are frozen inside the block."""
    instances = stack.instances(service)
    try:
        for instance in instances:
            stack.freeze(instance)
        yield
    finally:
        for instance in instances:
            stack.resume(instance)


class HastyOrders(ABC):
    """One more instance of the order service, whose orders expire soon. A context manager: it ends with the block."""

    def __init__(self) -> None:
        self._http, self._internal = _free_port(), _free_port()
        self.url = f"http://{HOST}:{self._http}"

    async def __aenter__(self) -> Self:
        """Start it; `ready` waits for it."""
        await asyncio.to_thread(self._start)
        return self

    async def ready(self) -> None:
        """Wait until it takes orders. Raises `DemoError`."""
        deadline = time.monotonic() + START_SECONDS
        while not await asyncio.to_thread(probes.http_ok, self._internal, "/readyz"):
            if not await asyncio.to_thread(self._is_alive) or time.monotonic() > deadline:
                raise DemoError(f"the second order service did not come up; its log says why: {self._log}")
            await asyncio.sleep(POLL_SECONDS)

    @property
    @abstractmethod
    def _log(self) -> str: ...

    @abstractmethod
    def _start(self) -> None: ...

    @abstractmethod
    def _is_alive(self) -> bool: ...

    @abstractmethod
    def stop(self) -> None:
        """Let it end what it is doing; it takes no more orders. Does not wait."""

    @abstractmethod
    def _end(self) -> None:
        """It is gone afterwards."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, and wait until it is gone."""
        await asyncio.to_thread(self._end)


def hasty_orders(stack: Running) -> HastyOrders:
    """Of the kind that fits the stack."""
    return HastyProcess(stack) if isinstance(stack, Stack) else HastyContainer(stack)


class HastyProcess(HastyOrders):
    """Natively. It carries the stack's mark, so `make down` ends it too, should this process not live to do it."""

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self._file = stack.layout.log(NAME)
        self._environment = {
            **jobs.environment(stack.layout),
            **environment.of_component(stack, "order"),
            "QS_HTTP_PORT": str(self._http),
            "QS_INTERNAL_PORT": str(self._internal),
            "QS_ORDER_TTL_SECONDS": str(TTL_SECONDS),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def _log(self) -> str:
        return str(self._file)

    def _start(self) -> None:
        command = [str(PYTHON), "-m", "chassis", "serve", "order"]
        with self._file.open("wb") as log:
            # A session of its own: Ctrl-C is for this process, which then ends it.
            self._process = subprocess.Popen(  # noqa: S603  our own program
                command, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    def _is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """SIGTERM."""
        if self._process is not None:
            self._process.terminate()

    def _end(self) -> None:
        if self._process is None:
            return
        self.stop()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        self._process.kill()
        self._process.wait()


class HastyContainer(HastyOrders):
    """Under Compose, beside the others and unknown to the edge. `make down` removes it too."""

    def __init__(self, project: Project) -> None:
        super().__init__()
        self._project = project
        self._id = ""

    @property
    def _log(self) -> str:
        return f"docker logs {self._id[:12]}"

    def _start(self) -> None:
        publish = ["--publish", f"{HOST}:{self._http}:8080", "--publish", f"{HOST}:{self._internal}:8081"]
        setting = ["--env", f"QS_ORDER_TTL_SECONDS={TTL_SECONDS}"]
        command = ["run", "--detach", "--rm", "--no-deps", *publish, *setting, "order"]
        self._id = docker.run("compose", *command, environment=self._project.environment()).split()[-1]

    def _is_alive(self) -> bool:
        try:
            return docker.run("inspect", "--format", "{{.State.Running}}", self._id).strip() == "true"
        except StackError:
            return False

    def stop(self) -> None:
        """SIGTERM."""
        with suppress(StackError):
            docker.run("kill", "--signal", "TERM", self._id)

    def _end(self) -> None:
        with suppress(StackError):  # it was removed as soon as it ended
            docker.run("stop", "--time", str(int(STOP_SECONDS)), self._id)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
