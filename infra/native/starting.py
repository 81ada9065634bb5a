"""The order in which a stack comes up: what may run beside what, and what has to be there first."""

import threading
import time
from collections.abc import Callable, Iterator

from native import edge, monitoring, pair, patroni, postgres, rabbitmq, services
from native.errors import StackError
from native.jobs import tail
from native.layout import Layout
from native.plan import Plan
from native.ports import SERVICES
from native.program import Program
from native.steps import Step
from native.supervisor import Supervisor

READY_SECONDS = 60.0
POLL_SECONDS = 0.1
DATABASES = "postgres-roles"
Start = Callable[..., Step]  # of a component's name, and the steps it follows


def steps(layout: Layout, plan: Plan, programs: dict[str, Program]) -> Iterator[Step]:
    """Servers first, jobs as soon as their server is there, services when every job is done, the edge last."""
    supervisor = Supervisor(layout)

    def start(name: str, *after: str) -> Step:
        program = programs[name]
        return Step(name, program.waits_for, lambda failed: _start(supervisor, layout, program, failed), after)

    yield from (_under_patroni if plan.patroni else _pair)(layout, plan, start)
    yield Step("rabbitmq-users", "are rendered", lambda _: rabbitmq.render_users(layout))
    yield start("epmd")
    yield start("rabbitmq", "rabbitmq-users", "epmd")
    yield Step("topology", "is declared and checked", lambda _: rabbitmq.apply_topology(layout, plan), ("rabbitmq",))
    for service in SERVICES:
        yield _migration(layout, plan, service)
    for name in ("redis", "provider", "mailsink", "prometheus", *monitoring.NAMES):
        yield start(name)
    jobs = ("topology", *(f"migrate-{service}" for service in SERVICES), "redis", "provider", "mailsink")
    instances = [name for service in SERVICES for name in plan.instances(service) if name in programs]
    for name in instances:
        yield start(name, *jobs)
    yield start("edge", *instances)
    if instances:
        yield Step("routes", "come through to every service", lambda failed: _routed(plan, failed), ("edge",))


def _under_patroni(layout: Layout, plan: Plan, start: Start) -> Iterator[Step]:
    yield Step("etcd-data", "fits the databases", lambda _: patroni.forget(layout))
    yield start("etcd", "etcd-data")
    for node in postgres.NODES:
        yield start(node, "etcd")
    # After a power cut the node that led leads again for a moment, and gives the lead away while it recovers.
    yield Step("postgres", "has settled", lambda failed: _settle(layout, plan, failed), postgres.NODES)
    yield Step(DATABASES, "exist", lambda _: postgres.create_roles(layout, plan), ("postgres",))


def _pair(layout: Layout, plan: Plan, start: Start) -> Iterator[Step]:
    yield Step("postgres-files", "are created", lambda _: pair.initialise(layout))
    yield start(postgres.PRIMARY, "postgres-files")
    yield Step(DATABASES, "exist", lambda _: postgres.create_roles(layout, plan), (postgres.PRIMARY,))
    yield Step("postgres-copy", "is complete", lambda _: pair.copy(layout, plan), (DATABASES,))
    yield start(postgres.REPLICA, "postgres-copy")


def _settle(layout: Layout, plan: Plan, failed: threading.Event) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not postgres.streams(layout, plan) and not failed.wait(POLL_SECONDS):
        if time.monotonic() > deadline:
            raise StackError(f"no Postgres node has a synchronous standby after {READY_SECONDS:.0f} s: read make logs")


def _routed(plan: Plan, failed: threading.Event) -> None:
    """The edge finds by itself that instances are back: a moment after they are ready."""
    deadline = time.monotonic() + READY_SECONDS
    while not edge.routes(plan) and not failed.wait(POLL_SECONDS):
        if time.monotonic() > deadline:
            raise StackError(
                f"the edge reaches no instance of some service after {READY_SECONDS:.0f} s: make logs C=edge"
            )


def wait_ready(program: Program, timeout_seconds: float) -> None:
    """Wait until it serves. Raises `StackError` when it does not in time."""
    deadline = time.monotonic() + timeout_seconds
    while not program.ready():
        if time.monotonic() > deadline:
            raise StackError(f"{program.name} is not ready after {timeout_seconds:.0f} s ({program.waits_for})")
        time.sleep(POLL_SECONDS)


def _migration(layout: Layout, plan: Plan, service: str) -> Step:
    def migrate(_: threading.Event) -> None:
        services.migrate(layout, plan, service)

    after = (DATABASES, *(() if plan.patroni else (postgres.REPLICA,)))  # without it, commits would wait
    return Step(f"migrate-{service}", "is done", migrate, after)


def _start(supervisor: Supervisor, layout: Layout, program: Program, failed: threading.Event) -> None:
    """Start it and wait until it serves; a process that ends meanwhile will not be better the next time."""
    log = layout.log(program.name)
    written_bytes = log.stat().st_size if log.exists() else 0
    pid = supervisor.start(program.name)
    deadline = time.monotonic() + READY_SECONDS
    while not program.ready():
        ended = supervisor.process(program.name)["pid"] != pid
        if ended or time.monotonic() > deadline:
            supervisor.stop([program.name])
            how = (
                "ended while starting" if ended else f"was not ready after {READY_SECONDS:.0f} s ({program.waits_for})"
            )
            raise StackError(
                f"{program.name} {how} and was stopped; correct what its log says ({log}), then: make up\n"
                + tail(log, since_bytes=written_bytes)
            )
        if failed.wait(POLL_SECONDS):
            return
