"""What watches beside Prometheus: Alertmanager, Redis' exporter, and where programs that end leave their metrics."""

import json
import re
import shutil

from native import passwords, probes
from native.errors import StackError
from native.layout import INFRA, Layout
from native.plan import Plan
from native.ports import HOST
from native.program import Program

NAMES = ("alertmanager", "pushgateway", "redis-exporter")


def programs(layout: Layout, plan: Plan) -> list[Program]:
    """All three."""
    return [_alertmanager(layout, plan), _pushgateway(layout, plan), _redis_exporter(layout, plan)]


def configure(layout: Layout, plan: Plan) -> None:
    """Their configuration; Redis' exporter gets its password as a file of mode 0600."""
    for name in NAMES:
        (layout.config / name).mkdir(parents=True, exist_ok=True)
        layout.data(name).mkdir(parents=True, exist_ok=True)
    text = (INFRA / "alertmanager" / "alertmanager.yml").read_text()
    mail = f"smtp_smarthost: {HOST}:{plan.ports['mailsink-smtp']}"
    (layout.config / "alertmanager" / "alertmanager.yml").write_text(re.sub(r"smtp_smarthost: .*", mail, text))
    secret = layout.config / "redis-exporter" / "password.json"
    secret.touch(mode=0o600)
    secret.write_text(json.dumps({_redis(plan): passwords.password(layout, "redis_exporter")}))


def _alertmanager(layout: Layout, plan: Plan) -> Program:
    port = plan.ports["alertmanager"]
    options = (
        f"--config.file={layout.config}/alertmanager/alertmanager.yml",
        f"--storage.path={layout.data('alertmanager')}",
        f"--web.listen-address={HOST}:{port}",
        f"--web.external-url=http://{HOST}:{port}",
        "--cluster.listen-address=",  # one of them is enough
    )
    file = layout.config / "alertmanager" / "alertmanager.yml"
    return _program("alertmanager", "prometheus-alertmanager", options, port, "/-/ready", files=(file,))


def _pushgateway(layout: Layout, plan: Plan) -> Program:
    port = plan.ports["pushgateway"]
    options = (
        f"--web.listen-address={HOST}:{port}",
        f"--persistence.file={layout.data('pushgateway')}/metrics",
    )
    return _program("pushgateway", "prometheus-pushgateway", options, port, "/-/ready")


def _redis_exporter(layout: Layout, plan: Plan) -> Program:
    port = plan.ports["redis-exporter"]
    options = (
        f"-web.listen-address={HOST}:{port}",
        f"-redis.addr={_redis(plan)}",
        "-redis.user=exporter",
        f"-redis.password-file={layout.config}/redis-exporter/password.json",
    )
    return _program("redis-exporter", "prometheus-redis-exporter", options, port, "/health")


def _redis(plan: Plan) -> str:
    return f"redis://{HOST}:{plan.ports['redis']}"


def _program(name: str, binary: str, options: tuple[str, ...], port: int, path: str, **more: object) -> Program:
    found = shutil.which(binary)
    if found is None:
        raise StackError(f"{binary} is not installed: run infra/native/bootstrap")
    return Program(
        name=name,
        command=(found, *options),
        waits_for=f"answers {path}",
        ready=lambda: probes.http_ok(port, path),
        ports={name: port},
        **more,  # type: ignore[arg-type]  # a program's own fields
    )
