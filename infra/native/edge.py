"""HAProxy, the edge: infra/edge/haproxy.cfg, and beside it where the instances of this stack are."""

import shutil

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
    files = (INFRA / "edge" / "haproxy.cfg", layout.config / "backends.cfg")
    return Program(
        name="edge",
        command=(binary, "-db", *(word for file in files for word in ("-f", str(file)))),
        waits_for="answers",
        ready=lambda: probes.listens(plan.ports["edge"]) and probes.http_ok(metrics, "/metrics"),
        ports={"edge": plan.ports["edge"], "edge-metrics": metrics},
        environment={
            "EDGE_BIND": f"{HOST}:{plan.ports['edge']}",
            "EDGE_METRICS_BIND": f"{HOST}:{metrics}",
        },
        files=files,
        stop_signal="USR1",  # graceful: finish what was begun; hard-stop-after bounds it
        stop_seconds=10,
    )


def routes(plan: Plan) -> bool:
    """Whether a request comes through to each service, if only to be refused by it."""
    answers = [probes.http_status(plan.ports["edge"], path) for path in ("/products", "/payments", "/notifications")]
    return not {None, 503} & set(answers)


def configure(layout: Layout, plan: Plan) -> None:
    """Write who answers for which service."""
    layout.data("edge").mkdir(parents=True, exist_ok=True)
    (layout.config / "backends.cfg").write_text("\n".join(backend(plan, service) for service in SERVICES))


def backend(plan: Plan, service: str) -> str:
    """A service's instances, each asked for its health on its internal port."""
    ports = plan.ports
    lines = [
        f"    server {name} {HOST}:{ports[name]} check port {ports.internal(name)}" for name in plan.instances(service)
    ]
    return "\n".join([f"backend {service} from service", *lines]) + "\n"
