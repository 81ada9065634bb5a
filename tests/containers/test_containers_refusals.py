"""What keeps a project from coming up is one sentence that names it and says what to do."""

import json
import shutil
import socket
import sys
from pathlib import Path

import pytest

from bearer import NoKeyError, Tokens
from compose import Project, before, engine, images, prepare
from compose.images import Images
from native import StackError
from native.layout import INFRA
from native.ports import HOST
from runtime.choice import for_up

GIB = 1024**3


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A docker command that answers with the files beside it, named like its arguments; without one it fails."""
    place = tmp_path / "bin"
    place.mkdir()
    program = place / "docker"
    program.write_text(
        f"""#!{sys.executable}
import pathlib, sys
here = pathlib.Path(__file__).parent
for words in (sys.argv[1], "-".join(sys.argv[1:3])):
    if (here / words).exists():
        print((here / words).read_text(), end="")
        sys.exit(0)
print("Cannot connect to the Docker daemon", file=sys.stderr)
sys.exit(1)
"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(place))
    monkeypatch.delenv("RUNTIME", raising=False)
    answers(place, info=f"28.0\t{8 * GIB}\n", ps="", **{"compose-version": "2.30.0\n", "volume": ""})
    return place


def answers(place: Path, **texts: str) -> None:
    for name, text in texts.items():
        (place / name).write_text(text)


def everything(file: Path) -> str:
    """A set as `docker image ls` lists it."""
    found = [value.rpartition(":") for name, value in images.variables(file).items() if name.startswith("IMAGE_")]
    return "".join(f'{{"Repository": "{name}", "Tag": "{tag}"}}\n' for name, _, tag in found)


def test_a_good_engine_is_named(docker: Path) -> None:
    assert engine.refuse_unfit() == "Docker engine 28.0 and Compose 2.30.0"


def test_no_docker_command(docker: Path) -> None:
    (docker / "docker").unlink()
    with pytest.raises(StackError, match=r"no docker command here: install Docker .* or use RUNTIME=native"):
        engine.refuse_unfit()


def test_no_engine(docker: Path) -> None:
    (docker / "info").unlink()
    with pytest.raises(StackError, match=r"no Docker engine answers .*Cannot connect.*: start it"):
        engine.refuse_unfit()


def test_too_little_memory(docker: Path) -> None:
    answers(docker, info=f"28.0\t{2 * GIB}\n")
    with pytest.raises(StackError, match=r"has 2\.0 GiB of memory, the stack needs 3 GiB: give it more"):
        engine.refuse_unfit()


@pytest.mark.parametrize(("version", "words"), [("2.17.3", "Compose 2.17.3 is too old"), (None, "no Compose plugin")])
def test_an_old_or_missing_compose(docker: Path, version: str | None, words: str) -> None:
    (docker / "compose-version").unlink()
    if version:
        answers(docker, **{"compose-version": version})
    with pytest.raises(StackError, match=f"{words}.*install .*"):
        engine.refuse_unfit()


def test_no_image_and_no_registry(docker: Path) -> None:
    answers(docker, image="")
    with pytest.raises(StackError, match=r"is not here and no registry has answered .*infra/offline/build"):
        images.choose()


def test_the_offline_images_are_taken_when_they_are_all_there_is(docker: Path) -> None:
    answers(docker, image=everything(images.OFFLINE))
    assert images.choose().files == (images.OFFICIAL, images.OFFLINE)


def running(place: Path, image: str, state: str = "running") -> None:
    """A project that has one container."""
    labels = {"com.docker.compose.service": "redis", "com.docker.compose.container-number": "1"}
    row = {"Id": "1", "Config": {"Labels": labels, "Image": image}, "State": {"Status": state}}
    answers(place, ps="1\n", inspect=json.dumps([{**row, "HostConfig": {"PortBindings": {}}}]))


@pytest.mark.parametrize("state", ["running", "paused", "restarting"])
def test_a_project_that_runs_stays_in_containers(docker: Path, state: str) -> None:
    (docker / "compose-version").unlink()  # whatever else has changed on this machine
    running(docker, "redis:8.0.3", state)
    assert for_up("there-is-none") == ("compose", "it runs in containers already")


def test_a_project_that_has_stopped_may_become_a_native_stack(docker: Path) -> None:
    answers(docker, image="")
    running(docker, "redis:8.0.3", "exited")
    chosen, why = for_up("there-is-none")
    assert chosen == "native"
    assert "no registry has answered" in why


@pytest.mark.parametrize(
    ("image", "files"),
    [
        ("redis:7.0.0", (images.OFFICIAL,)),  # of the version before
        ("quicksand-offline/redis:8.0", (images.OFFICIAL, images.OFFLINE)),
    ],
)
def test_a_project_that_runs_stays_on_its_images(docker: Path, image: str, files: tuple[Path, ...]) -> None:
    running(docker, image)
    answers(docker, image=everything(images.OFFLINE if image.startswith("redis") else images.OFFICIAL))
    assert Project("x").image_set.files == files


def test_a_project_that_runs_on_neither_set_gets_what_can_be_had(docker: Path) -> None:
    running(docker, "x-order")
    answers(docker, image=everything(images.OFFICIAL))
    assert Project("x").image_set == images.choose()


def test_without_an_engine_make_up_starts_the_native_stack_and_says_why(docker: Path) -> None:
    (docker / "info").unlink()
    chosen, why = for_up("there-is-none")
    assert chosen == "native"
    assert "no Docker engine answers" in why


def test_runtime_forces_one(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME", "compose")
    assert for_up("there-is-none")[0] == "compose"
    monkeypatch.setenv("RUNTIME", "podman")
    with pytest.raises(StackError, match="RUNTIME=podman cannot be: choose compose or native"):
        for_up("there-is-none")


def test_a_taken_port_is_named_with_its_variable(docker: Path) -> None:
    with socket.socket() as somebody:
        somebody.bind((HOST, 0))
        somebody.listen()
        port = somebody.getsockname()[1]
        with pytest.raises(StackError, match=rf"port {port}, wanted by edge, is taken .* EDGE_PORT"):
            before.refuse_ports("x", {"EDGE_PORT": str(port)}, Images((images.OFFICIAL,), ""))


def test_etcd_without_its_databases_is_half_a_cluster(docker: Path) -> None:
    answers(docker, volume="etcd-data\nmail-data\n")
    with pytest.raises(StackError, match=r"both Postgres nodes are gone, but etcd-data is there: .*VOLUMES=1"):
        before.refuse_half_a_cluster("x")
    answers(docker, volume="etcd-data\npostgres-2-data\n")
    before.refuse_half_a_cluster("x")  # the other node is made anew from this one


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The committed ones, elsewhere."""
    return Path(shutil.copytree(INFRA / "compose" / "secrets", tmp_path / "secrets"))


def test_a_missing_secret(secrets: Path) -> None:
    before.refuse_secrets(secrets)
    (secrets / "redis" / "default").unlink()
    with pytest.raises(StackError, match=r"there is no password .*redis/default: put one there"):
        before.refuse_secrets(secrets)


def test_a_secret_that_containers_cannot_read(secrets: Path) -> None:
    (secrets / "rabbitmq" / "order").chmod(0o600)
    with pytest.raises(StackError, match=r"rabbitmq/order is closed to the containers' users: chmod 644"):
        before.refuse_secrets(secrets)


def test_a_directory_that_containers_cannot_enter(secrets: Path) -> None:
    (secrets / "token-keys").chmod(0o700)
    with pytest.raises(StackError, match=r"token-keys is closed to the containers' users, .*: chmod 755"):
        before.refuse_secrets(secrets)


@pytest.mark.parametrize(
    ("environment", "value", "words"),
    [
        ("development", "", r"secret redis is empty"),
        ("production", "dev-only-redis", r"secret redis is a development secret, and ENVIRONMENT=production"),
    ],
)
def test_the_first_job_refuses_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: str, value: str, words: str
) -> None:
    monkeypatch.setenv("ENVIRONMENT", environment)
    file = tmp_path / "redis"
    file.write_text(value)
    with pytest.raises(SystemExit, match=words):
        prepare.check(file)


def test_the_first_job_takes_a_password_of_ones_own_in_production(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    file = tmp_path / "redis"
    file.write_text("of-my-own")
    prepare.check(file)


def test_tokens_are_not_signed_with_the_committed_key_in_production(secrets: Path) -> None:
    key = {"TOKEN_SIGNING_KEY": str(secrets / "tokens" / "signing_key.json")}
    Tokens.load(given=key)
    with pytest.raises(NoKeyError, match=r"signing_key\.json is the development key, and ENVIRONMENT=production"):
        Tokens.load(given={**key, "ENVIRONMENT": "production"})
