"""A stack, for Python: the command line, the tests and the drills all use these same operations.

stack = Stack("mine", base_port=12000)
stack.up(replicas=2, settings={"order": {"QS_ORDER_TTL_SECONDS": "5"}})
stack.kill("payment")
stack.wait_ready("payment")
stack.down(volumes=True)
"""

import fcntl
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from failover import FailoverError, Node, switch_over
from native import components, passwords, postgres, processes, starting, tokens
from native import plan as plans
from native.errors import StackError
from native.layout import DEFAULT_STACK, Layout
from native.plan import Plan, Settings
from native.ports import DEFAULT_BASE, HOST, Ports, refuse_taken
from native.program import Program
from native.steps import Report, run_all
from native.supervisor import RUNS, Supervisor, render

READY_SECONDS = 60.0
EXIT_SECONDS = 10.0


class Stack:
    """One stack, found by its name. Operations return when they are done and raise `StackError` when they cannot be."""

    def __init__(
        self, name: str = DEFAULT_STACK, *, base_port: int | None = None, report: Report = lambda _: None
    ) -> None:
        self.name = name
        self.layout = Layout.of(name)
        self.supervisor = Supervisor(self.layout)
        self._base_port = base_port
        self._report = report

    # -- up and down

    def up(
        self, *, replicas: int = 1, settings: Settings | None = None, only_servers: bool = False, patroni: bool = True
    ) -> bool:
        """Bring the stack to what is asked for and wait until all of it serves; `False` where it already did.

        Without `patroni` the Postgres nodes are `postgres-primary` and `postgres-replica`, and stay what they are.
        """
        started = time.monotonic()
        with self._alone():
            last = plans.read(self.layout)
            previous = last if self.running else None
            base = self._base_port or (last.base_port if last else DEFAULT_BASE)
            plan = Plan(base, replicas, only_servers, settings or {}, patroni=patroni)
            programs = components.programs(self.layout, plan)
            plan.refuse_conflict(self.name, previous)
            components.configure(self.layout, plan)
            self.supervisor.config.write_text(render(self.layout, programs.values()))
            changed = self._take_over(programs) if previous else self._start_daemon(programs)
            if not changed and plans.is_complete(self.layout) and all(map(self._is_up, programs.values())):
                return False
            plan.write(self.layout, complete=False)
            run_all(starting.steps(self.layout, plan, programs), self._report)
            plan.write(self.layout, complete=True)
        self._report(f"{self.name} is up after {time.monotonic() - started:.1f} s")
        return True

    def down(self, *, volumes: bool = False) -> None:
        """Stop everything, clients before servers, and leave no process. The data stays, unless `volumes`."""
        with self._alone():
            if pid := self.supervisor.pid():
                processes.resume(pid)  # what is frozen cannot stop
                for names in components.stages(plans.read(self.layout), self.supervisor.processes(), kept=not volumes):
                    self.supervisor.stop(names)
                if volumes:
                    processes.kill(pid)
                else:
                    self.supervisor.shut_down()
                processes.wait_gone([pid], EXIT_SECONDS)
            self._end_leftovers()
            if volumes:
                components.remove(self.layout)

    # -- one component

    def kill(self, component: str) -> None:
        """SIGKILL it with everything it started, at one instant. supervisord starts it again."""
        processes.kill(self.pid(component))

    def freeze(self, component: str) -> None:
        """SIGSTOP it with everything it started: connections stay open and nobody answers."""
        processes.freeze(self.pid(component))

    def resume(self, component: str) -> None:
        """Let a frozen component go on."""
        processes.resume(self.pid(component))

    def stop(self, component: str) -> None:
        """Stop it gracefully; it stays away until `start`."""
        self._program(component)
        if pid := self.supervisor.process(component)["pid"]:
            processes.resume(pid)
        self.supervisor.stop([component])

    def start(self, component: str) -> None:
        """Start it and wait until it serves."""
        program = self._program(component)
        self.supervisor.start(component)
        starting.wait_ready(program, READY_SECONDS)

    def restart(self, component: str) -> None:
        """Stop it gracefully, start it, and wait until it serves."""
        self.stop(component)
        self.start(component)

    def wait_ready(self, component: str, timeout_seconds: float = READY_SECONDS) -> None:
        """Wait until it serves, however often it has to be restarted for that."""
        starting.wait_ready(self._program(component), timeout_seconds)

    def is_ready(self, component: str) -> bool:
        """Whether it serves now."""
        return self._program(component).ready()

    def pid(self, component: str) -> int:
        """Its main process. Raises `StackError` where it does not run."""
        self._program(component)
        pid = int(self.supervisor.process(component)["pid"])
        if pid == 0:
            raise StackError(f"{component} does not run: start it with: make start C={component}")
        return pid

    # -- what is known of it

    @property
    def running(self) -> bool:
        """Whether its supervisord answers."""
        return self.supervisor.pid() is not None

    @property
    def plan(self) -> Plan:
        """What the last `up` was asked for."""
        if (plan := plans.read(self.layout)) is None:
            raise StackError(f"there is no stack '{self.name}': start it with: make up STACK={self.name}")
        return plan

    @property
    def programs(self) -> dict[str, Program]:
        """Its components by name."""
        return components.programs(self.layout, self.plan)

    @property
    def ports(self) -> Ports:
        """Who listens where: `stack.ports["rabbitmq-management"]`, `stack.ports.internal("order-2")`."""
        return self.plan.ports

    def instances(self, service: str) -> list[str]:
        """The names of the service's instances: order, order-2, ..."""
        return self.plan.instances(service)

    def url(self, component: str) -> str:
        """Where a component answers HTTP; `rabbitmq` by its management API."""
        name = "rabbitmq-management" if component == "rabbitmq" else component
        return f"http://{HOST}:{self.ports[name]}"

    def internal_url(self, component: str) -> str:
        """Where a service instance answers /healthz, /readyz and /metrics."""
        return f"http://{HOST}:{self.ports.internal(component)}"

    def secret(self, user: str) -> str:
        """The password of a database role, a broker user (`order`, `topology`, `monitor`), `redis` or `patroni`."""
        return passwords.password(self.layout, user)

    @property
    def signing_key(self) -> Path:
        """The private key that bearer tokens are signed with; the services have the public one only."""
        return tokens.signing_key(self.layout)

    def dsn(self, role: str, database: str, node: str = "primary") -> str:
        """A PostgreSQL URL of the node that is the `primary`, or the `replica`, now."""
        port = self.ports[postgres.primary_first(self.plan)[("primary", "replica").index(node)]]
        return f"postgresql://{role}:{self.secret(role)}@{HOST}:{port}/{database}"

    def amqp_url(self, user: str, vhost: str) -> str:
        """An AMQP URL."""
        return f"amqp://{user}:{self.secret(user)}@{HOST}:{self.ports['rabbitmq']}/{vhost}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What psql answers, unaligned, as superuser on the node that is the primary now."""
        return postgres.query(self.layout, self.plan, statement, database=database)

    @property
    def primary(self) -> str:
        """The Postgres node that leads now. Raises `StackError` where none does."""
        return postgres.primary(self.plan)

    def failover(self) -> None:
        """Let the synchronous standby lead, and wait until the old primary follows it synchronously."""
        if not self.plan.patroni:
            raise StackError(f"'{self.name}' has a plain pair of Postgres nodes, of which only one can ever lead")
        try:
            switch_over(
                [Node(self.url(f"{node}-api")) for node in postgres.NODES], self.secret("patroni"), self._report
            )
        except FailoverError as error:
            raise StackError(str(error)) from None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One `up` or `down` of a stack at a time."""
        states = self.layout.root.parent
        if not states.exists():
            states.mkdir(parents=True)
            states.chmod(0o755)  # whatever the umask: PostgreSQL may run as another user
        with (states / f".{self.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _start_daemon(self, programs: dict[str, Program]) -> bool:
        self._end_leftovers()
        refuse_taken((program.name, port) for program in programs.values() for port in program.ports.values())
        self.supervisor.start_daemon()
        return True

    def _take_over(self, programs: dict[str, Program]) -> bool:
        if pid := self.supervisor.pid():
            processes.resume(pid)
        return bool(self.supervisor.update())

    def _is_up(self, program: Program) -> bool:
        return self.supervisor.process(program.name)["statename"] in RUNS and program.ready()

    def _end_leftovers(self) -> None:
        """End what a supervisord that died has left behind. Raises `StackError` where something survives SIGKILL."""
        left = processes.of_directory(self.layout.root)
        processes.send(left, signal.SIGTERM)
        left = processes.wait_gone(left, EXIT_SECONDS)
        processes.send(left, signal.SIGKILL)
        if left := processes.wait_gone(left, EXIT_SECONDS):
            raise StackError(
                f"processes {left} of '{self.name}' cannot be ended: see what they are with ps, then try again"
            )

    def _program(self, component: str) -> Program:
        if not self.running:
            raise StackError(f"'{self.name}' does not run: start it with: make up STACK={self.name}")
        programs = self.programs
        if component not in programs:
            raise StackError(f"there is no component '{component}': choose one of {', '.join(programs)}")
        return programs[component]
