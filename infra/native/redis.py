"""Redis, the cache."""

import shutil

from native import passwords, probes
from native.errors import StackError
from native.layout import INFRA, Layout
from native.plan import Plan
from native.ports import HOST, SERVICES
from native.program import Program

# Reading and writing values, scripts, and what a connection begins with; no administration, no look at other keys.
MAY = (INFRA / "redis" / "rights").read_text().strip()

LOOKS = "-@all +ping +info +config|get +slowlog +latency"  # what its exporter needs


def program(layout: Layout, plan: Plan) -> Program:
    """The server."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise StackError("Redis is not installed: run infra/native/bootstrap")
    port = plan.ports["redis"]
    return Program(
        name="redis",
        command=(binary, str(layout.config / "redis" / "redis.conf")),
        waits_for="answers PING",
        ready=lambda: _answers(layout, port),
        ports={"redis": port},
        files=(layout.config / "redis" / "redis.conf", INFRA / "redis" / "redis.conf"),
    )


def configure(layout: Layout, plan: Plan) -> None:
    """Render its configuration: a file of mode 0600, because a password on the command line is everybody's."""
    directory = layout.config / "redis"
    directory.mkdir(parents=True, exist_ok=True)
    layout.data("redis").mkdir(parents=True, exist_ok=True)
    file = directory / "redis.conf"
    file.touch(mode=0o600)
    file.write_text(
        f"""include {INFRA}/redis/redis.conf
bind {HOST}
port {plan.ports["redis"]}
dir {layout.data("redis")}
requirepass {passwords.password(layout, "redis")}
{users(layout)}
"""
    )


def users(layout: Layout) -> str:
    """A user for each service, who gets at nothing but the keys that begin with the service's name."""
    secrets = {service: passwords.password(layout, passwords.redis_user(service)) for service in SERVICES}
    exporter = f"user exporter on >{passwords.password(layout, 'redis_exporter')} {LOOKS}"
    return "\n".join([*(f"user {name} on >{secret} ~{name}:* {MAY}" for name, secret in secrets.items()), exporter])


def _answers(layout: Layout, port: int) -> bool:
    return probes.says(port, f"AUTH {passwords.password(layout, 'redis')}\r\nPING\r\n".encode(), b"+OK\r\n+PONG")
