"""Which set of images there is to run: the official ones of .env, or those that infra/offline has built."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from compose import docker
from native.errors import StackError
from native.layout import CHECKOUT

OFFICIAL = CHECKOUT / ".env"
OFFLINE = CHECKOUT / "infra" / "offline" / "images.env"
BUILT = ("order", "payment", "notification", "provider", "postgres", "etcd", "loadtest")
OPTIONAL = {"IMAGE_GRAFANA": "grafana", "IMAGE_TEMPO": "tracing"}  # and the profile that asks for it
PATIENCE_SECONDS = 8.0


@dataclass(frozen=True)
class Images:
    """A set: the env files that name it, and in words where it comes from."""

    files: tuple[Path, ...]
    where: str

    @property
    def options(self) -> list[str]:
        """For `docker compose`."""
        return [word for file in self.files for word in ("--env-file", str(file))]


def choose() -> Images:
    """The set that can be had. Raises `StackError` saying what to do where none can."""
    official = Images((OFFICIAL,), "the official images, which are here")
    missing = _missing(OFFICIAL)
    if not missing:
        return official
    if OFFLINE.exists() and not _missing(OFFLINE):
        return Images((OFFICIAL, OFFLINE), "the images of infra/offline, which are here")
    try:
        docker.run("manifest", "inspect", missing[0], timeout_seconds=PATIENCE_SECONDS)
    except StackError:
        raise StackError(
            f"{missing[0]} is not here and no registry has answered within {PATIENCE_SECONDS:.0f} s: build the images"
            " without one (infra/offline/build), or use RUNTIME=native"
        ) from None
    return Images((OFFICIAL,), "the official images, from their registry")


def in_use(running: Iterable[str]) -> Images | None:
    """The set that these are of, in whatever version, if they are of one: what was written with it stays with it."""
    here = {_repository(image) for image in running}
    sets = {
        OFFLINE: Images((OFFICIAL, OFFLINE), "the images of infra/offline, which it runs on already"),
        OFFICIAL: Images((OFFICIAL,), "the official images, which it runs on already"),
    }
    for file, chosen in sets.items():
        if here & {_repository(image) for name, image in variables(file).items() if name.startswith("IMAGE_")}:
            return chosen
    return None


def remove_built(project: str) -> None:
    """Remove the images that the project has built of itself. They are of no use to another one."""
    built = {f"{project}-{name}" for name in BUILT}
    here = [row["ID"] for row in docker.rows("image", "ls") if row["Repository"] in built]
    if here:
        docker.run("image", "rm", "--force", *here)


def variables(file: Path) -> dict[str, str]:
    """What an env file sets."""
    lines = [line for line in file.read_text().splitlines() if "=" in line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def _missing(file: Path) -> list[str]:
    """The images of an env file that the engine does not have.

    Those that ours are built from count too, even when ours are there: `up` builds, and whoever builds asks a registry
    for a base that is not in the list of images, however much of it is in the builder's cache.
    """
    values = variables(OFFICIAL) | variables(file)
    profiles = values["COMPOSE_PROFILES"].split(",")
    unwanted = {name for name, profile in OPTIONAL.items() if profile not in profiles}
    wanted = [value for name, value in values.items() if name.startswith("IMAGE_") and name not in unwanted]
    here = {f"{row['Repository']}:{row['Tag']}" for row in docker.rows("image", "ls")}
    return [image for image in wanted if image not in here]


def _repository(image: str) -> str:
    return image.rpartition(":")[0]
