"""What is done to the machines for an order that really expires. Nothing that runs is changed for good.

No customer can choose an order's deadline, and the usual two minutes are long to watch. So one more instance of the
order service is started, with a short time to live: an order placed with it is like any other, only expires soon.
Meanwhile the payment service is frozen, so that nobody answers.
"""

import asyncio
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from demo.errors import DemoError
from native import Stack, environment, jobs, probes
from native.layout import PYTHON
from native.ports import HOST
from verify.addresses import Addresses

TTL_SECONDS = 2
START_SECONDS = 30.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.1
NAME = "order-demo"


def native_stack(addresses: Addresses, name: str) -> Stack | None:
    """The stack whose components can be frozen here; `None` where the addresses are of another kind of stack."""
    stack = Stack(name)
    return stack if stack.running and stack.url("edge") == addresses.edge else None


@contextmanager
def frozen(stack: Stack, service: str) -> Iterator[None]:
    """All instances of a service are frozen inside the block."""
    instances = stack.plan.instances(service)
    try:
        for instance in instances:
            stack.freeze(instance)
        yield
    finally:
        for instance in instances:
            stack.resume(instance)


class HastyOrders:
    """One more instance of the order service, whose orders expire soon. A context manager: it ends with the block.

    It carries the stack's mark, so `make down` ends it too, should this process not live to do it.
    """

    def __init__(self, stack: Stack) -> None:
        http, internal = _free_port(), _free_port()
        self.url = f"http://{HOST}:{http}"
        self._internal = internal
        self._log = stack.layout.log(NAME)
        self._environment = {
            **jobs.environment(stack.layout),
            **environment.of_component(stack, "order"),
            "QS_HTTP_PORT": str(http),
            "QS_INTERNAL_PORT": str(internal),
            "QS_ORDER_TTL_SECONDS": str(TTL_SECONDS),
        }
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        """Start it; `ready` waits for it."""
        self._start()
        return self

    def _start(self) -> None:
        command = [str(PYTHON), "-m", "chassis", "serve", "order"]
        with self._log.open("wb") as log:
            # A session of its own: Ctrl-C is for this process, which then ends it.
            self._process = subprocess.Popen(  # noqa: S603  our own program
                command, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    async def ready(self) -> None:
        """Wait until it takes orders. Raises `DemoError`."""
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while not await asyncio.to_thread(probes.http_ok, self._internal, "/readyz"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise DemoError(f"the second order service did not come up; its log says why: {self._log}")
            await asyncio.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Let it end what it is doing; it takes no more orders."""
        assert self._process is not None
        self._process.terminate()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, and wait until it is gone."""
        assert self._process is not None
        self.stop()
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, STOP_SECONDS)
        self._process.kill()
        self._process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
