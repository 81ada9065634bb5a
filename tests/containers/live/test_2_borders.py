"""Who reaches whom, and what a container may not do."""

import pytest

from compose import Project
from containers.live.conftest import compose, inside

EVERYTHING = {
    "order": ("order", 8080),
    "payment": ("payment", 8080),
    "notification": ("notification", 8080),
    "postgres-1": ("postgres-1", 5432),
    "postgres-2": ("postgres-2", 5432),
    "etcd": ("etcd", 2379),
    "rabbitmq": ("rabbitmq", 5672),
    "management": ("rabbitmq", 15672),
    "redis": ("redis", 6379),
    "provider": ("provider", 8080),
    "mail": ("mail", 1025),
}
CONNECT = """
for target in "$@"; do
    IFS=' ' read -r name host port <<< "$target"
    (timeout 5 bash -c "exec 3<> /dev/tcp/$host/$port" 2> /dev/null && echo "$name") &
done
wait
"""


def addresses(project: Project, component: str) -> list[str]:
    """Its name, and its addresses in every network: a name that is not resolved is no wall."""
    return [component, *inside(project, component, "hostname", "-i").stdout.split()]


@pytest.fixture(scope="module")
def targets(project: Project) -> list[str]:
    """What there is to be reached: name, host, port."""
    return [
        f"{name} {host} {port}"
        for name, (component, port) in EVERYTHING.items()
        for host in addresses(project, component)
    ]


@pytest.fixture(scope="module")
def reached(project: Project, targets: list[str]) -> dict[str, set[str]]:
    """What accepts a connection, from the edge and from each service."""
    sources = ("edge", "order", "payment", "notification")
    return {
        source: set(inside(project, source, "bash", "-c", CONNECT, "bash", *targets).stdout.split())
        for source in sources
    }


def test_from_the_edge_only_the_services_are_reached(reached: dict[str, set[str]]) -> None:
    assert reached["edge"] == {"order", "payment", "notification"}


@pytest.mark.parametrize(("outside", "allowed"), [("provider", "payment"), ("mail", "notification")])
def test_one_service_alone_reaches_the_outside_world(reached: dict[str, set[str]], outside: str, allowed: str) -> None:
    assert {source for source, found in reached.items() if outside in found} == {allowed}


@pytest.mark.parametrize("component", ["order", "postgres-1", "rabbitmq", "edge"])
def test_a_container_is_nobody_and_can_change_nothing_of_its_own(project: Project, component: str) -> None:
    status = inside(project, component, "cat", "/proc/1/status").stdout
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert inside(project, component, "id", "-u").stdout.strip() != "0"
    assert inside(project, component, "touch", "/usr/here").returncode != 0


@pytest.mark.parametrize("job", ["secrets", "topology", "migrate-order"])
def test_production_refuses_development_secrets(project: Project, job: str) -> None:
    done = compose(project, "run", "--rm", "--no-deps", job, ENVIRONMENT="production")
    assert done.returncode != 0
    assert "development secret" in done.stdout + done.stderr


def test_a_service_in_production_refuses_development_secrets_too(project: Project) -> None:
    done = compose(project, "run", "--rm", "--no-deps", "order", ENVIRONMENT="production")
    assert done.returncode != 0
    assert "development secret" in done.stdout + done.stderr
