"""A project's containers, found by the labels that Compose gives them, which takes no file and no variable."""

import json
from dataclasses import dataclass
from typing import Any

from compose import docker
from native.errors import StackError
from native.ports import HOST

TAIL_LINES = 8
JOBS = ("secrets", "topology", "migrate-order", "migrate-payment", "migrate-notification")


@dataclass(frozen=True)
class Container:
    """One container: `state` is Docker's word, `health` is empty where nobody asks."""

    id: str
    service: str
    image: str
    number: int
    state: str
    health: str
    ports: dict[int, int]  # its own port -> the host's

    @property
    def name(self) -> str:
        """As a person says it: the first one is named like its service."""
        return self.service if self.number == 1 else f"{self.service}-{self.number}"

    @property
    def runs(self) -> bool:
        """Whether it runs, or is frozen, or between two starts."""
        return self.state in {"running", "paused", "restarting"}

    @property
    def ready(self) -> bool:
        """Whether it serves."""
        return self.state == "running" and self.health in {"healthy", ""}


def of(project: str) -> dict[str, Container]:
    """By name; jobs are left out, and what was started by hand beside the project."""
    ids = docker.run(
        "ps", "-aq", "--filter", f"label=com.docker.compose.project={project}",
        "--filter", "label=com.docker.compose.oneoff=False",
    ).split()  # fmt: skip
    if not ids:
        return {}
    found = map(_container, json.loads(docker.run("inspect", *ids)))
    wanted = [container for container in found if container.service not in JOBS]
    return {container.name: container for container in sorted(wanted, key=lambda one: (one.service, one.number))}


def volumes(project: str) -> set[str]:
    """The names that docker-compose.yml gives to the volumes there are."""
    label = f"label=com.docker.compose.project={project}"
    names = docker.run("volume", "ls", "--filter", label, "--format", '{{.Label "com.docker.compose.volume"}}')
    return set(names.split())


def pick(containers: dict[str, Container], name: str) -> Container:
    """The one of this name. Raises `StackError` listing those there are."""
    if name not in containers:
        raise StackError(f"there is no component '{name}': choose one of {', '.join(containers)}")
    return containers[name]


def _container(row: dict[str, Any]) -> Container:
    labels, state = row["Config"]["Labels"], row["State"]
    bindings = row["HostConfig"]["PortBindings"] or {}
    ports = {
        int(inside.split("/")[0]): int(outside[0]["HostPort"])
        for inside, outside in bindings.items()
        if outside and outside[0]["HostIp"] == HOST
    }
    return Container(
        id=row["Id"],
        service=labels["com.docker.compose.service"],
        image=row["Config"]["Image"],
        number=int(labels["com.docker.compose.container-number"]),
        state=state["Status"],
        health=(state.get("Health") or {}).get("Status", ""),
        ports=ports,
    )


def culprit(project: str) -> str:
    """Which container, jobs included, has failed or is not healthy, and what it said last."""
    ids = docker.run("ps", "-aq", "--filter", f"label=com.docker.compose.project={project}").split()
    for row in json.loads(docker.run("inspect", *ids)) if ids else []:
        state = row["State"]
        failed = state["Status"] == "exited" and state["ExitCode"] != 0
        sick = (state.get("Health") or {}).get("Status", "healthy") != "healthy"
        if failed or sick:
            service = row["Config"]["Labels"]["com.docker.compose.service"]
            how = f"exit status {state['ExitCode']}" if failed else f"{state['Health']['Status']}"
            return f"{service}, {how}; correct what it says, then: make up\n{_tail(row['Id'])}"
    return "see docker compose ps -a"


def _tail(id_: str) -> str:
    lines = docker.both("logs", "--tail", str(TAIL_LINES), id_).splitlines()
    return "\n".join(f"    {line}" for line in lines)
