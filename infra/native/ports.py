"""The port block of a stack: 60 ports from its base, the edge first. One place says who listens where."""

import socket
from collections.abc import Iterable

from native.errors import StackError

DEFAULT_BASE = 8080
BLOCK = 60
ASIDE = 30_000  # where no stack looks first: for who needs a port while one comes up
HOST = "127.0.0.1"
MAX_REPLICAS = 5  # ten ports per service, two per instance

OFFSETS = {
    "edge": 0,
    "edge-metrics": 1,
    "prometheus": 2,
    "redis": 3,
    "postgres-1": 4,
    "postgres-2": 5,
    "rabbitmq": 6,
    "rabbitmq-management": 7,
    "rabbitmq-metrics": 8,
    "rabbitmq-distribution": 9,
    "epmd": 10,
    "provider": 11,
    "mailsink": 12,
    "mailsink-smtp": 13,
    "alertmanager": 15,
    "pushgateway": 16,
    "redis-exporter": 17,
    "load": 18,
    "collector": 19,
    "postgres-1-api": 50,
    "postgres-2-api": 51,
    "etcd": 52,
    "etcd-peers": 53,
}
PLAIN_PAIR = {"postgres-primary": "postgres-1", "postgres-replica": "postgres-2"}  # a stack has these nodes or those
SERVICE_OFFSETS = {"order": 20, "payment": 30, "notification": 40}
SERVICES = tuple(SERVICE_OFFSETS)


def split_instance(component: str) -> tuple[str, int]:
    """`order` is ("order", 1), `order-2` is ("order", 2)."""
    service, _, number = component.partition("-")
    return service, int(number) if number.isdigit() else 1


def instance(service: str, number: int) -> str:
    """The component's name: the first instance is named like the service."""
    return service if number == 1 else f"{service}-{number}"


class Ports:
    """Looks up ports by name: `ports["rabbitmq"]`, `ports["order-2"]` (its API), `ports.internal("order-2")`."""

    def __init__(self, base: int = DEFAULT_BASE) -> None:
        if not 1024 <= base <= 65535 - BLOCK:
            raise StackError(f"BASE_PORT={base} is out of range: choose one from 1024 to {65535 - BLOCK}")
        self.base = base

    def __getitem__(self, name: str) -> int:
        name = PLAIN_PAIR.get(name, name)
        if name in OFFSETS:
            return self.base + OFFSETS[name]
        return self._service_port(name)

    def internal(self, component: str) -> int:
        """Where a service instance answers /healthz, /readyz and /metrics."""
        return self._service_port(component) + 1

    def _service_port(self, component: str) -> int:
        service, number = split_instance(component)
        if service not in SERVICE_OFFSETS or not 1 <= number <= MAX_REPLICAS:
            raise KeyError(component)
        return self.base + SERVICE_OFFSETS[service] + 2 * (number - 1)


def parse_base(text: str | None) -> int | None:
    """What the command line or BASE_PORT says."""
    if text is not None and not text.isdigit():
        raise StackError(f"BASE_PORT={text} is no port: write a number, as in BASE_PORT={DEFAULT_BASE + BLOCK}")
    return int(text) if text else None


def refuse_taken(wanted: Iterable[tuple[str, int]]) -> None:
    """Raises `StackError` naming the first component whose port somebody else has."""
    for component, port in wanted:
        if taken(port):
            raise StackError(
                f"port {port}, wanted by {component}, is taken by another program: stop that program, "
                f"or choose another block of {BLOCK} ports, for example: make up BASE_PORT={free_base()}"
            )


def taken(port: int) -> bool:
    """Whether listening on this port would fail."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def free_base(start: int = DEFAULT_BASE + BLOCK) -> int:
    """The first base from `start` on whose whole block is free, below the ports that clients are given (32768).

    It is this process' until that ends: two that look for one at the same moment find two.
    """
    for base in range(start, 32768 - BLOCK, BLOCK):
        if not any(taken(port) for port in range(base, base + BLOCK)) and _reserve(base):
            return base
    raise StackError("no block of 60 ports is free below 32768: stop another stack first")


def _reserve(base: int) -> bool:
    """Whether nobody has this block yet. A name in the kernel says so, which goes with the process."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0quicksand-ports-{base}")
    except OSError:
        name.close()
        return False
    name.detach()  # stays open
    return True
