"""Prometheus: infra/prometheus/prometheus.yml, with the targets of this stack in files beside it."""

import json
import shutil

from native import probes
from native.errors import StackError
from native.layout import INFRA, Layout
from native.plan import Plan
from native.ports import HOST, SERVICES
from native.postgres import NODES
from native.program import Program

RULES = INFRA / "prometheus" / "rules"
SINGLE = ("edge", "prometheus", "alertmanager", "pushgateway", "load")  # one target each, named like its port


def program(layout: Layout, plan: Plan) -> Program:
    """The server. It keeps a week, or a gigabyte, whichever is less."""
    binary = shutil.which("prometheus")
    if binary is None:
        raise StackError("Prometheus is not installed: run infra/native/bootstrap")
    port = plan.ports["prometheus"]
    return Program(
        name="prometheus",
        command=(
            binary,
            f"--config.file={layout.config}/prometheus/prometheus.yml",
            f"--storage.tsdb.path={layout.data('prometheus')}/tsdb",
            "--storage.tsdb.retention.time=7d",
            "--storage.tsdb.retention.size=1GB",
            f"--web.listen-address={HOST}:{port}",
            f"--web.external-url=http://{HOST}:{port}",
        ),
        waits_for="answers /-/ready",
        ready=lambda: probes.http_ok(port, "/-/ready"),
        ports={"prometheus": port},
        files=(layout.config / "prometheus" / "prometheus.yml", RULES),  # it reads changed targets by itself
    )


def configure(layout: Layout, plan: Plan) -> None:
    """Write who is to be asked."""
    directory = layout.config / "prometheus"
    (directory / "targets").mkdir(parents=True, exist_ok=True)
    layout.data("prometheus").mkdir(parents=True, exist_ok=True)
    shutil.copy(INFRA / "prometheus" / "prometheus.yml", directory)
    shutil.rmtree(directory / "rules", ignore_errors=True)
    shutil.copytree(RULES, directory / "rules", dirs_exist_ok=True)
    for name, targets in groups(plan).items():
        (directory / "targets" / f"{name}.json").write_text(json.dumps(targets, indent=2) + "\n")


def groups(plan: Plan) -> dict[str, list[dict[str, object]]]:
    """The target files: name -> groups, as file_sd_configs reads them."""
    services = (
        [] if plan.only_servers else [(s, i, plan.ports.internal(i)) for s in SERVICES for i in plan.instances(s)]
    )
    ports = plan.ports
    singles = {name: [_group(ports["edge-metrics" if name == "edge" else name], instance=name)] for name in SINGLE}
    return {
        **singles,
        "services": [_group(port, service=service, instance=name) for service, name, port in services],
        "rabbitmq": [_group(ports["rabbitmq-metrics"], instance="rabbitmq")],
        "redis": [_group(ports["redis-exporter"], instance="redis")],
        "provider": [_group(ports["provider"], instance="provider")],
        "patroni": [_group(ports[f"{node}-api"], instance=node) for node in NODES if plan.patroni],
    }


def _group(port: int, **labels: str) -> dict[str, object]:
    return {"targets": [f"{HOST}:{port}"], "labels": labels}
