"""A Compose project as a stack: the same operations as `native.Stack` has, for the tools and the tests.

project = Project("mine", base_port=12000)
project.up(replicas=2)
project.kill("payment")
project.down(volumes=True)
"""

import os
import time
from pathlib import Path

from compose import before, containers, cpu, docker, images, ports, postgres
from compose.containers import Container
from compose.images import Images
from native.errors import StackError
from native.layout import DEFAULT_STACK
from native.passwords import PLACES
from native.ports import HOST, SERVICES
from native.steps import Report

START_SECONDS = 180
READY_SECONDS = 90.0
STOP_SECONDS = 60
POLL_SECONDS = 0.2
SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")  # where Debian and its kin keep it


class Project:
    """One project, found by its name. Operations return when they are done, and raise `StackError` otherwise."""

    def __init__(
        self, name: str = DEFAULT_STACK, *, base_port: int | None = None, report: Report = lambda _: None
    ) -> None:
        self.name = name
        self._base_port = base_port
        self._report = report

    # -- up and down

    def up(self, *, replicas: int = 1) -> None:
        """Build, start what does not run and wait until all of it serves."""
        started = time.monotonic()
        chosen = self.image_set
        self._report(f"{self.name}: {chosen.where}")
        variables = self.environment()
        before.refuse(self.name, variables, chosen)
        self._unpause()
        options = ["--detach", "--wait", "--wait-timeout", str(START_SECONDS), "--build", "--remove-orphans"]
        scale = [word for service in SERVICES for word in ("--scale", f"{service}={replicas}")]
        if docker.show("compose", *chosen.options, "up", *options, *scale, environment=variables):
            raise StackError(f"'{self.name}' did not come up: {containers.culprit(self.name)}")
        self._report(f"{self.name} is up after {time.monotonic() - started:.1f} s")

    def down(self, *, volumes: bool = False) -> None:
        """Stop everything, clients before servers, and remove the containers. The data stays, unless `volumes`."""
        self._unpause()
        options = ["--remove-orphans", *(["--volumes"] if volumes else [])]
        if docker.show("compose", "--profile", "*", "down", *options, environment=self.environment()):
            raise StackError(f"'{self.name}' could not be taken down: see what is left with docker ps -a")
        if volumes:
            images.remove_built(self.name)

    # -- one component

    def kill(self, component: str) -> None:
        """SIGKILL its container's first process, and with it all others; it is started again at once.

        Docker takes a container that was killed on request for one that shall stay away: so it is started here.
        """
        found = self.find(component)
        docker.run("kill", found.id)
        docker.run("start", found.id)

    def freeze(self, component: str) -> None:
        """Stop it in its tracks: connections stay open and nobody answers."""
        docker.run("pause", self.find(component).id)

    def resume(self, component: str) -> None:
        """Let a frozen component go on."""
        docker.run("unpause", self.find(component).id)

    def stop(self, component: str) -> None:
        """Stop it gracefully; it stays away until `start`."""
        docker.run("stop", "--time", str(STOP_SECONDS), self.find(component).id, timeout_seconds=2 * STOP_SECONDS)

    def start(self, component: str) -> None:
        """Start it and wait until it serves."""
        docker.run("start", self.find(component).id)
        self.wait_ready(component)

    def restart(self, component: str) -> None:
        """Stop it gracefully, start it, and wait until it serves."""
        self.stop(component)
        self.start(component)

    def wait_ready(self, component: str, timeout_seconds: float = READY_SECONDS) -> None:
        """Wait until it serves, however often it has to be restarted for that."""
        deadline = time.monotonic() + timeout_seconds
        while not (found := self.find(component)).ready:
            if time.monotonic() > deadline:
                state = found.health or found.state
                raise StackError(f"{component} is {state} after {timeout_seconds:.0f} s: make logs C={component}")
            time.sleep(POLL_SECONDS)

    def failover(self) -> None:
        """Let the synchronous standby lead, and wait until the old primary follows it synchronously."""
        for line in postgres.switch_over(self.components).splitlines():
            self._report(line)

    # -- what is known of it

    @property
    def running(self) -> bool:
        """Whether any of its containers runs, or is frozen."""
        return any(one.runs for one in self.components.values())

    @property
    def image_set(self) -> Images:
        """The images that it runs on, else those that can be had. Raises `StackError` where none can."""
        return images.in_use(one.image for one in self.components.values() if one.runs) or images.choose()

    @property
    def exists(self) -> bool:
        """Whether there is anything of it: a container, running or not, or a volume."""
        return bool(self.components or containers.volumes(self.name))

    @property
    def components(self) -> dict[str, Container]:
        """Its containers by name, jobs left out."""
        return containers.of(self.name)

    def instances(self, service: str) -> list[str]:
        """The names of the service's instances: order, order-2, ..."""
        return [name for name, one in self.components.items() if one.service == service]

    @property
    def published(self) -> dict[str, str]:
        """The host ports that it has now, by their names in .env: a second `up` without a BASE_PORT keeps them."""
        now = {(one.service, inside): port for one in self.components.values() for inside, port in one.ports.items()}
        return {
            variable: str(now[service, inside])
            for variable, (service, inside, _) in ports.PUBLISHED.items()
            if (service, inside) in now
        }

    def port(self, variable: str) -> int:
        """The host's port that .env names so, as it is published now."""
        service, inside, _ = ports.PUBLISHED[variable]
        for one in self.components.values():
            if one.service == service and inside in one.ports:
                return one.ports[inside]
        raise StackError(f"'{self.name}' does not run {service}: start it with: make up STACK={self.name}")

    @property
    def signing_key(self) -> Path:
        """The private key that bearer tokens are signed with; the services have the public one only."""
        return before.secrets_directory() / before.SIGNING_KEY

    def secret(self, user: str) -> str:
        """The password of a database role, a broker user (`order`, `topology`, `monitor`), `redis` or `patroni`."""
        return (before.secrets_directory() / PLACES[user]).read_text().strip()

    @property
    def primary(self) -> str:
        """The Postgres node that leads now. Raises `StackError` where none does."""
        return postgres.primary(self.components)

    def cpu_seconds(self) -> dict[str, float]:
        """What each component has used since it was started."""
        return cpu.seconds(self.components)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What psql answers, unaligned, as superuser on the node that is the primary now."""
        return postgres.psql(self.components, self.primary, statement, database)

    def dsn(self, role: str, database: str, node: str = "primary") -> str:
        """A PostgreSQL URL of the node that is the `primary`, or the `replica`, now."""
        leads = self.primary == "postgres-1"
        port = self.port("POSTGRES_1_PORT" if leads == (node == "primary") else "POSTGRES_2_PORT")
        return f"postgresql://{role}:{self.secret(role)}@{HOST}:{port}/{database}"

    def environment(self) -> dict[str, str]:
        """What `docker compose` is given: the caller's environment, this project's name, and its ports."""
        found = {**os.environ, "COMPOSE_PROJECT_NAME": self.name}
        if self._base_port:
            found |= ports.block(self._base_port)
        else:
            found |= self.published
        bundle = os.environ.get("BUILD_CA") or os.environ.get("PIP_CERT")
        if bundle or SYSTEM_BUNDLE.is_file():
            found["BUILD_CA"] = str(Path(bundle or SYSTEM_BUNDLE).resolve())  # whom the machine trusts, builds trust
        return found

    # -- inside

    def _unpause(self) -> None:
        """What is frozen cannot stop."""
        for one in self.components.values():
            if one.state == "paused":
                docker.run("unpause", one.id)

    def find(self, component: str) -> Container:
        """One component. Raises `StackError` listing those there are."""
        found = self.components
        if not found:
            raise StackError(f"'{self.name}' does not run: start it with: make up STACK={self.name}")
        return containers.pick(found, component)
