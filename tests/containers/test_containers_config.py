"""The rules that every container keeps, read from what `docker compose config` prints."""

import json
import re
from pathlib import Path, PurePosixPath

import pytest

from compose.before import SIGNING_KEY, TOKEN_KEYS
from compose.containers import JOBS
from compose.production import COMMITTED
from containers.conftest import Document, compose_config
from native.layout import CHECKOUT
from native.ports import HOST

BUILT = {"order", "payment", "notification", "provider", "postgres-1", "postgres-2", "etcd"}
OWN = {*BUILT, "loadtest", "loadtest-worker", *JOBS}
PINNED = re.compile(r"^[a-z0-9./_-]+:v?\d+\.\d+(\.\d+)?([.-][a-z0-9.-]+)?$")
KEYS_FILE = "QS_TOKEN_KEYS_FILE"
MIB = 1024**2
LAPTOP_MIB = 5 * 1024


def test_nothing_is_warned_of() -> None:
    done = compose_config()
    assert (done.returncode, done.stderr) == (0, "")


def test_the_offline_images_go_into_the_same_file_without_a_warning() -> None:
    done = compose_config("--env-file", ".env", "--env-file", "infra/offline/images.env")
    assert (done.returncode, done.stderr) == (0, "")
    images = {service["image"] for name, service in json.loads(done.stdout)["services"].items() if name not in OWN}
    assert {image.partition("/")[0] for image in images} == {"quicksand-offline"}


def test_every_service_that_stays_is_asked_whether_it_does_its_job(services: dict[str, Document]) -> None:
    without = {name for name, service in services.items() if not service.get("healthcheck")}
    assert without == set(JOBS)
    job = (CHECKOUT / "docker-compose.yml").read_text().partition("\nx-job: ")[2].partition("\n\n")[0]
    assert "x-no-healthcheck: " in job  # the reason; the JSON leaves extensions out


def test_memory_processors_and_processes_are_limited(services: dict[str, Document]) -> None:
    unlimited = [
        name
        for name, service in services.items()
        if not (service.get("mem_limit") and service.get("cpus") and service.get("pids_limit"))
    ]
    assert not unlimited


def test_all_limits_together_leave_a_laptop_of_8_gib_three() -> None:
    services = json.loads(compose_config().stdout)["services"]  # what comes up unasked: no load test, no traces
    limits = {name: int(service["mem_limit"]) / MIB for name, service in services.items() if name not in JOBS}
    assert sum(limits.values()) <= LAPTOP_MIB, limits


def test_no_container_runs_as_root_or_may_become_it(services: dict[str, Document]) -> None:
    for name, service in services.items():
        user = service.get("user", "0").partition(":")[0]
        assert user.isdigit(), name
        assert int(user) > 0, name
        assert service.get("cap_drop") == ["ALL"], name
        assert not service.get("cap_add"), name
        assert not service.get("privileged"), name
        assert service.get("security_opt") == ["no-new-privileges:true"], name


def test_every_root_file_system_is_read_only(services: dict[str, Document]) -> None:
    assert [name for name, service in services.items() if not service.get("read_only")] == []


def test_logs_are_rotated(services: dict[str, Document]) -> None:
    for name, service in services.items():
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}, name


def test_what_dies_is_started_again_and_a_job_is_not(services: dict[str, Document]) -> None:
    for name, service in services.items():
        assert service["restart"] == ("no" if name in JOBS else "unless-stopped"), name


def test_services_and_databases_have_time_to_stop(services: dict[str, Document]) -> None:
    for name in ("order", "payment", "notification", "postgres-1", "postgres-2", "rabbitmq"):
        assert services[name]["stop_grace_period"] in {"30s", "1m0s"}, name


def test_ports_are_on_the_loopback_only(services: dict[str, Document]) -> None:
    ports = [(name, port) for name, service in services.items() for port in service.get("ports", [])]
    assert ports
    assert [(name, port) for name, port in ports if port.get("host_ip") != HOST] == []


def test_every_image_is_pinned_or_our_own(services: dict[str, Document]) -> None:
    for name, service in services.items():
        if name in OWN:
            assert service["image"].startswith("quicksand-"), name
        else:
            assert PINNED.match(service["image"]), service["image"]
        for argument, image in service.get("build", {}).get("args", {}).items():
            assert argument.startswith("IMAGE_"), name
            assert PINNED.match(image), image


def test_every_password_is_a_file_and_none_is_in_the_environment(
    config: Document, services: dict[str, Document]
) -> None:
    for name, secret in config["secrets"].items():
        assert secret.get("file"), name
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            assert "dev-only-" not in str(value), (name, variable)


def test_each_user_of_a_server_is_one_service_alone(services: dict[str, Document]) -> None:
    servers = {"secrets", "postgres-1", "postgres-2", "redis"}
    holders: dict[str, list[str]] = {}
    for name, service in services.items():
        for secret in service.get("secrets", []):
            if name not in servers:
                holders.setdefault(secret["source"], []).append(name)
    shared = {secret: names for secret, names in holders.items() if len(names) > 1}
    assert shared == {
        "postgres-exporter": ["postgres-exporter-1", "postgres-exporter-2"],
    }


def test_public_keys_are_a_directory_that_the_services_read_and_no_private_one_is_in_it(
    services: dict[str, Document],
) -> None:
    told = {name: file for name, each in services.items() if (file := each.get("environment", {}).get(KEYS_FILE))}
    assert set(told) == {"order", "payment", "notification"}
    for name, file in told.items():
        place = mounted(services[name])[str(PurePosixPath(file).parent)]
        assert place["read_only"], name
        assert place["source"] == str((COMMITTED / TOKEN_KEYS).parent), name
        assert place["source"] != str((COMMITTED / SIGNING_KEY).parent), name
        assert [each.name for each in Path(place["source"]).iterdir()] == [PurePosixPath(file).name]


@pytest.mark.parametrize("directory", ["own/secrets", "/own/secrets"])
def test_public_keys_are_where_secrets_says_even_without_a_dot(directory: str) -> None:
    services = json.loads(compose_config(SECRETS=directory).stdout)["services"]
    assert mounted(services["order"])["/token-keys"]["source"] == str(CHECKOUT / directory / "token-keys")


@pytest.mark.parametrize(
    ("network", "members"),
    [
        ("visitors", {"edge", "loadtest", "loadtest-worker", "prometheus"}),
        ("edge", {"edge", "order", "payment", "notification", "prometheus"}),
        ("provider", {"provider", "payment"}),
        ("mail", {"mail", "notification"}),
        ("tracing", {"tempo", "order", "payment", "notification"}),
        ("consensus", {"etcd", "postgres-1", "postgres-2"}),
    ],
)
def test_a_network_joins_only_those_who_have_to_talk(
    services: dict[str, Document], network: str, members: set[str]
) -> None:
    assert {name for name, service in services.items() if network in service.get("networks", {})} == members


def test_the_edge_joins_visitors_and_services_and_nobody_else(services: dict[str, Document]) -> None:
    assert set(services["edge"]["networks"]) == {"edge", "visitors"}


def test_visitors_come_through_the_edge_only_and_are_not_there_unless_asked_for(services: dict[str, Document]) -> None:
    for name in ("loadtest", "loadtest-worker"):
        assert set(services[name]["networks"]) == {"visitors"}
        assert services[name]["profiles"] == ["loadtest"]


def test_the_three_services_export_traces_where_one_variable_says(services: dict[str, Document]) -> None:
    told = {
        name: each["environment"].get("QS_OTLP_ENDPOINT") for name, each in services.items() if "environment" in each
    }
    assert {name for name, endpoint in told.items() if endpoint} == {"order", "payment", "notification"}
    assert {endpoint for endpoint in told.values() if endpoint} == {"http://tempo:4318"}


def test_traces_are_off_for_somebody_who_sets_nothing() -> None:
    services = json.loads(compose_config().stdout)["services"]
    assert "tempo" not in services
    assert services["order"]["environment"]["QS_OTLP_ENDPOINT"] == ""


def test_who_sees_all_passwords_has_no_network(services: dict[str, Document]) -> None:
    assert services["secrets"]["network_mode"] == "none"


def test_those_with_data_keep_their_host_names(services: dict[str, Document]) -> None:
    for name in ("rabbitmq", "postgres-1", "postgres-2", "etcd"):
        assert services[name]["hostname"] == name


def test_grafana_opens_with_a_dashboard_that_it_has(services: dict[str, Document]) -> None:
    home = PurePosixPath(services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (Path(mounted(services["grafana"])[str(home.parent)]["source"]) / home.name).is_file()


def mounted(service: Document) -> dict[str, Document]:
    """The host's files and directories that it sees, by where it sees them."""
    return {volume["target"]: volume for volume in service.get("volumes", []) if volume["type"] == "bind"}
