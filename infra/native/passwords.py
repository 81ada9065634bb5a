"""Passwords, made at random by the first `up` and kept in files of mode 0600 below the stack's directory.

`postgres/<role>`, `rabbitmq/<user>`, `redis/<user>` and `patroni/api` hold each password once. Every process gets a
directory of its own, `for/<process>`, with only the secrets it is meant to know, named as its settings are
(QS_SECRETS_DIR).
"""

import secrets
from pathlib import Path

from native.errors import StackError
from native.layout import Layout
from native.ports import SERVICES

POSTGRES_ROLES = (
    *(f"{s}_{kind}" for s in SERVICES for kind in ("app", "owner")),
    "verifier",
    "replicator",
    "rewinder",
    "exporter",
)
RABBITMQ_USERS = (*SERVICES, "topology", "monitor")


def redis_user(service: str) -> str:
    """What a service's password for the cache is called; its user there has the service's own name."""
    return f"{service}_redis"


PLACES = {
    **{role: f"postgres/{role}" for role in POSTGRES_ROLES},
    **{user: f"rabbitmq/{user}" for user in RABBITMQ_USERS},
    "redis": "redis/default",
    "redis_exporter": "redis/exporter",
    **{redis_user(service): f"redis/{service}" for service in SERVICES},
    "patroni": "patroni/api",
}


def generate(layout: Layout) -> None:
    """Make what is missing; existing passwords stay."""
    layout.secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
    for place in PLACES.values():
        file = layout.secrets / place
        if not file.exists():
            _write(file, secrets.token_urlsafe(24))
    for process, files in _processes().items():
        for name, owner in files.items():
            _write(layout.secrets / "for" / process / name, password(layout, owner))


def password(layout: Layout, user: str) -> str:
    """The password of a database role, a broker user, `redis` or its user (`order_redis`), or `patroni`."""
    if user not in PLACES:
        raise StackError(f"nobody is called '{user}' here: choose one of {', '.join(PLACES)}")
    file = layout.secrets / PLACES[user]
    if not file.exists():
        raise StackError(f"there is no password for '{user}' yet: start the stack first (make up)")
    return file.read_text().strip()  # whoever changes one by hand may leave a line's end


def directory(layout: Layout, process: str) -> Path:
    """The process's QS_SECRETS_DIR."""
    return layout.secrets / "for" / process


def _processes() -> dict[str, dict[str, str]]:
    services = {
        s: {"database_password": f"{s}_app", "broker_password": s, "redis_password": redis_user(s)} for s in SERVICES
    }
    migrations = {f"migrate-{s}": {"owner_password": f"{s}_owner"} for s in SERVICES}
    topology = {"topology": {f"{user}_password": user for user in RABBITMQ_USERS}}
    return services | migrations | topology


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(text)
