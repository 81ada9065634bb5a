"""HAProxy, the edge: infra/edge/haproxy.cfg with the addresses of this stack filled in."""

import shutil
from string import Template

from native import probes
from native.errors import StackError
from native.layout import INFRA, Layout
from native.plan import Plan
from native.ports import HOST, SERVICES
from native.program import Program


def program(layout: Layout, plan: Plan) -> Program:
    """The load balancer."""
    binary = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if binary is None:
        raise StackError("HAProxy is not installed: run infra/native/bootstrap")
    metrics = plan.ports["edge-metrics"]
    return Program(
        name="edge",
        command=(binary, "-db", "-f", str(layout.config / "haproxy.cfg")),
        waits_for="answers",
        ready=lambda: probes.listens(plan.ports["edge"]) and probes.http_ok(metrics, "/metrics"),
        ports={"edge": plan.ports["edge"], "edge-metrics": metrics},
        files=(layout.config / "haproxy.cfg",),
        stop_signal="USR1",  # graceful: finish what was begun; hard-stop-after bounds it
        stop_seconds=10,
    )


def configure(layout: Layout, plan: Plan) -> None:
    """Render the template."""
    layout.data("edge").mkdir(parents=True, exist_ok=True)
    text = render((INFRA / "edge" / "haproxy.cfg").read_text(), plan)
    (layout.config / "haproxy.cfg").write_text(text)


def render(template: str, plan: Plan) -> str:
    """Fill in the addresses. Raises `KeyError` for a name that the template has and we do not."""
    servers = {f"{service}_servers": _servers(plan, service) for service in SERVICES}
    binds = {
        "bind": f"{HOST}:{plan.ports['edge']}",
        "metrics_bind": f"{HOST}:{plan.ports['edge-metrics']}",
    }
    return Template(template).substitute(binds | servers)


def _servers(plan: Plan, service: str) -> str:
    ports = plan.ports
    lines = [
        f"    server {name} {HOST}:{ports[name]} check port {ports.internal(name)}" for name in plan.instances(service)
    ]
    return "\n".join(lines)
