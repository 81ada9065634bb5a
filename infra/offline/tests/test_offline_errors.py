"""What the offline commands say when they cannot go on: one sentence that says what to do."""

import os
import subprocess
from pathlib import Path

import pytest

OFFLINE = Path(__file__).parents[1]
SCRIPTS = ["as-user", "build", "debian13", "engine", "install", "rootfs"]
NOBODY_LISTENS = "127.0.0.1:9"


def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "DEBIAN_"))}
    command = [str(OFFLINE / script), *arguments]
    return subprocess.run(
        command,
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def sentence(result: subprocess.CompletedProcess[str]) -> str:
    """Its last words; those of apt or the engine may come before."""
    assert result.returncode == 1
    return result.stderr.splitlines()[-1]


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_executable_and_parse(script: str) -> None:
    assert os.access(OFFLINE / script, os.X_OK)
    shell = (OFFLINE / script).read_text().splitlines()[0].removeprefix("#!")
    subprocess.run([shell, "-n", OFFLINE / script], check=True, timeout=10)


@pytest.mark.parametrize(
    ("script", "usage"), [("engine", "start|stop|status"), ("debian13", "sources"), ("build", "--fresh")]
)
def test_a_wrong_word_is_answered_with_the_right_ones(script: str, usage: str) -> None:
    assert usage in sentence(run(script, "strat"))


def test_an_engine_elsewhere_that_is_down_is_not_replaced_by_one_here() -> None:
    result = run("engine", "start", DOCKER_HOST=f"tcp://{NOBODY_LISTENS}")
    assert "does not answer: start that engine, or unset DOCKER_HOST" in sentence(result)


def test_building_without_an_engine_names_the_command_that_starts_one() -> None:
    assert "infra/offline/engine start" in sentence(run("build", DOCKER_HOST=f"tcp://{NOBODY_LISTENS}"))


def test_a_mirror_that_is_set_is_the_one_that_is_used() -> None:
    result = run("debian13", "sources", DEBIAN_MIRROR="http://mirror.test/d13/")
    places = [line.split("] ")[1] for line in result.stdout.splitlines()]
    assert places == ["http://mirror.test/d13 trixie main", "http://mirror.test/d13 trixie-updates main"]
    assert result.returncode == 0


def test_the_security_mirror_is_added_where_it_is_named() -> None:
    result = run("debian13", "sources", DEBIAN_MIRROR="http://a.test/d", DEBIAN_SECURITY_MIRROR="http://b.test/s")
    assert result.stdout.splitlines()[-1].endswith("http://b.test/s trixie-security main")


def test_a_mirror_on_this_disk_is_refused_because_a_build_cannot_see_it() -> None:
    assert "serve it over HTTP" in sentence(run("debian13", "sources", DEBIAN_MIRROR="file:/srv/mirror"))


def test_a_mirror_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    mirror = f"http://{NOBODY_LISTENS}/d"
    result = run("debian13", "download", str(tmp_path), "docker-compose", DEBIAN_MIRROR=mirror)
    assert f"could not be had (see above) from {mirror}: check the network and DEBIAN_MIRROR" in sentence(result)
    assert not list(tmp_path.iterdir())


def test_an_entry_point_gives_up_root_and_takes_the_data_along(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    result = run("as-user", "id", "-un", RUN_AS=f"daemon:{tmp_path}")
    if os.getuid() == 0:
        assert (result.stdout, (tmp_path / "data").owner()) == ("daemon\n", "daemon")
    else:
        assert (tmp_path / "data").stat().st_uid == os.getuid()
    assert result.returncode == 0
