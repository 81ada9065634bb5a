"""What would keep a project from coming up, found before anything is started: one sentence that says what to do."""

import os
from collections.abc import Mapping
from pathlib import Path

from compose import containers, images, ports
from compose.images import Images
from native.errors import StackError
from native.layout import CHECKOUT
from native.passwords import PLACES
from native.ports import taken

PASSWORDS = (*PLACES.values(), "grafana/admin")
TOKEN_KEYS, SIGNING_KEY = "token-keys/token_keys.json", "tokens/signing_key.json"  # services see all of token-keys
SECRETS = (*PASSWORDS, TOKEN_KEYS)  # tokens may be signed elsewhere
NODES = {"postgres-1-data", "postgres-2-data"}


def refuse(project: str, variables: Mapping[str, str], chosen: Images) -> None:
    """Raises `StackError` for a password, a port or a volume that is missing or in the way."""
    refuse_secrets(secrets_directory())
    refuse_half_a_cluster(project)
    refuse_ports(project, variables, chosen)


def secrets_directory() -> Path:
    """Where the passwords are: SECRETS, from the top of the checkout."""
    return CHECKOUT / (os.environ.get("SECRETS") or images.variables(images.OFFICIAL)["SECRETS"])


def refuse_secrets(directory: Path) -> None:
    """Containers run as users of their own and read the very files: everybody must be allowed to."""
    for place in SECRETS:
        file = directory / place
        if not file.is_file():
            raise StackError(
                f"there is no password {file}: put one there, or let SECRETS name a directory that has all of them"
            )
        if not file.stat().st_mode & 0o004:
            raise StackError(
                f"{file} is closed to the containers' users: chmod 644 it, in a directory only you can enter"
            )
    keys = (directory / TOKEN_KEYS).parent
    if keys.stat().st_mode & 0o005 != 0o005:
        raise StackError(f"{keys} is closed to the containers' users, who see it as a directory: chmod 755 it")


def refuse_ports(project: str, variables: Mapping[str, str], chosen: Images) -> None:
    """Raises `StackError` naming the first port that somebody else has."""
    wanted = {name: value for file in chosen.files for name, value in images.variables(file).items()} | dict(variables)
    ours = {port for one in containers.of(project).values() if one.state != "exited" for port in one.ports.values()}
    for variable, (service, _, _) in ports.PUBLISHED.items():
        if service in ports.OPTIONAL and service not in wanted["COMPOSE_PROFILES"]:
            continue
        port = int(wanted[variable])
        if port not in ours and taken(port):
            raise StackError(
                f"port {port}, wanted by {service}, is taken by another program: stop that program, or choose another"
                f" with {variable}, or a block of them: make up BASE_PORT=9080"
            )


def refuse_half_a_cluster(project: str) -> None:
    """etcd remembers a cluster whose nodes' data is gone: they would wait for each other for ever."""
    there = containers.volumes(project)
    if "etcd-data" in there and not NODES & there:
        raise StackError(
            f"the volumes of both Postgres nodes are gone, but etcd-data is there: take all of them away with"
            f" make down VOLUMES=1 STACK={project}, or only {project}_etcd-data with docker volume rm"
        )
