"""Facts that stand in two files, because one of them cannot compute: they agree."""

import re
import subprocess
from pathlib import Path

import pytest

from compose import images, ports
from compose.before import SECRETS, SIGNING_KEY
from compose.production import COMMITTED
from native.layout import CHECKOUT, INFRA
from native.ports import DEFAULT_BASE

SERVICES = ("order", "payment", "notification", "provider", "mailsink")


@pytest.mark.parametrize("service", SERVICES)
def test_the_dockerfiles_are_the_same_but_for_the_name(service: str) -> None:
    def text(name: str) -> str:
        return (CHECKOUT / "services" / name / "Dockerfile").read_text()

    assert text(service).replace(service, "order") == text("order")


def test_no_dockerfile_names_a_registry_or_an_image() -> None:
    for file in [*CHECKOUT.glob("services/*/Dockerfile"), CHECKOUT / "loadtest" / "Dockerfile"]:
        sources = [line.split()[1] for line in file.read_text().splitlines() if line.startswith("FROM")]
        assert set(sources) == {"${IMAGE_PYTHON}"}, file


def test_every_committed_secret_is_marked_and_none_is_used_twice() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "infra/compose/secrets"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout.split()
    files = [CHECKOUT / name for name in tracked] or [file for file in COMMITTED.rglob("*") if file.is_file()]
    values = [file.read_text().strip() for file in files]
    assert {str(file.relative_to(COMMITTED)) for file in files} == {*SECRETS, SIGNING_KEY}
    marks = ("dev-only-", '"kid": "dev-only-')  # of a password, of a key
    assert [value for value in values if not (value.startswith(marks[0]) or marks[1] in value)] == []
    assert len(set(values)) == len(values)


def test_the_default_ports_are_the_native_block() -> None:
    values = images.variables(images.OFFICIAL)
    assert {name: values[name] for name in ports.PUBLISHED} == ports.block(DEFAULT_BASE)


def test_each_image_has_one_official_and_one_offline_name_unless_debian_has_none() -> None:
    official, offline = images.variables(images.OFFICIAL), images.variables(images.OFFLINE)
    names = {name for name in official if name.startswith("IMAGE_")}
    assert names - set(offline) == set(images.OPTIONAL)
    assert offline["COMPOSE_PROFILES"] == ""


def test_prometheus_asks_the_same_jobs_as_often_and_at_the_same_paths_as_natively() -> None:
    def text(name: str) -> str:
        lines = (INFRA / "prometheus" / name).read_text().splitlines()
        return "\n".join(line.partition("#")[0].rstrip() for line in lines)

    def intervals(text: str) -> list[str]:
        return re.findall(r"^  (\w+_(?:interval|timeout): \S+)", text, re.MULTILINE)

    def paths(text: str) -> dict[str, list[str]]:
        jobs = (job.split("\n", 1) for job in text.split("- job_name: ")[1:])
        return {name: re.findall(r"metrics_path: (\S+)", rest) for name, rest in jobs}

    native, containers = text("prometheus.yml"), text("compose.yml")
    assert intervals(containers) == intervals(native)
    assert len(intervals(native)) == 3
    assert paths(native).items() <= paths(containers).items()


def test_only_what_an_image_needs_can_get_into_one() -> None:
    lines = Path(CHECKOUT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
