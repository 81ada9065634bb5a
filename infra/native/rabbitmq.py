"""RabbitMQ: the distribution's server, without the wrapper that changes user and directory.

Every stack has its own epmd (Erlang's port mapper) on its own loopback port, supervised like everything else: the one
that Erlang would start by itself outlives the broker and listens on every address.
"""

import shutil
from pathlib import Path

from native import jobs, passwords, probes
from native.errors import StackError
from native.layout import INFRA, PYTHON, Layout
from native.plan import Plan
from native.ports import HOST, OFFSETS
from native.program import Program

SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
FILES = (
    "10-rabbitmq.conf",
    "20-native.conf",
    "advanced.config",
    "enabled_plugins",
)  # users.json has new salts each time
LOOPBACK = "{127,0,0,1}"


def programs(layout: Layout, plan: Plan) -> list[Program]:
    """The port mapper and the broker."""
    epmd = shutil.which("epmd")
    if epmd is None or not Path(SERVER).exists():
        raise StackError("RabbitMQ is not installed: run infra/native/bootstrap")
    port = plan.ports["epmd"]
    own = {name: plan.ports[name] for name in OFFSETS if name.startswith("rabbitmq")}
    return [
        Program(
            name="epmd",
            command=(epmd, "-address", HOST, "-port", str(port)),
            waits_for="listens",
            ready=lambda: probes.listens(port),
            ports={"epmd": port},
            stop_seconds=5,
        ),
        Program(
            name="rabbitmq",
            command=(SERVER,),
            waits_for="accepts connections",
            ready=lambda: _answers(layout, plan),
            ports=own,
            environment=environment(layout, plan),
            files=tuple(layout.config / "rabbitmq" / name for name in FILES),
        ),
    ]


def environment(layout: Layout, plan: Plan) -> dict[str, str]:
    """What makes the server a stack's own; rabbitmqctl needs the same to find it."""
    data = layout.data("rabbitmq")
    return {
        "HOME": str(data),  # the Erlang cookie
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",  # the distribution's own settings
        "RABBITMQ_NODENAME": "rabbit@localhost",  # a fixed host name, or a renamed machine loses the data
        "RABBITMQ_NODE_IP_ADDRESS": HOST,
        "RABBITMQ_NODE_PORT": str(plan.ports["rabbitmq"]),
        "RABBITMQ_DIST_PORT": str(plan.ports["rabbitmq-distribution"]),
        "RABBITMQ_MNESIA_BASE": str(data / "mnesia"),
        "RABBITMQ_LOG_BASE": str(layout.logs),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_CONFIG_FILES": str(layout.config / "rabbitmq" / "*.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(layout.config / "rabbitmq" / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(layout.config / "rabbitmq" / "enabled_plugins"),
        "ERL_EPMD_ADDRESS": HOST,
        "ERL_EPMD_PORT": str(plan.ports["epmd"]),
        # Idle schedulers spin by default, which two cores cannot spare.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none "
        f"-kernel inet_dist_use_interface {LOOPBACK}",
    }


def configure(layout: Layout, plan: Plan) -> None:
    """Render everything but the users."""
    directory = layout.config / "rabbitmq"
    directory.mkdir(parents=True, exist_ok=True)
    layout.data("rabbitmq").mkdir(parents=True, exist_ok=True)
    layout.data("epmd").mkdir(parents=True, exist_ok=True)
    shutil.copy(INFRA / "rabbitmq" / "rabbitmq.conf", directory / "10-rabbitmq.conf")
    for name in ("advanced.config", "enabled_plugins"):
        shutil.copy(INFRA / "rabbitmq" / name, directory)
    (directory / "20-native.conf").write_text(
        f"""management.tcp.ip = {HOST}
management.tcp.port = {plan.ports["rabbitmq-management"]}
prometheus.tcp.ip = {HOST}
prometheus.tcp.port = {plan.ports["rabbitmq-metrics"]}
load_definitions = {directory}/users.json
"""
    )


def render_users(layout: Layout) -> None:
    """Users, vhosts and permissions, with hashed passwords, for the broker to load when it starts."""
    secrets = {"QS_SECRETS_DIR": str(passwords.directory(layout, "topology"))}
    text = jobs.run(layout, "rabbitmq-users", [PYTHON, "-m", "topology", "users"], env=secrets)
    file = layout.config / "rabbitmq" / "users.json"
    file.touch(mode=0o600)
    file.write_text(text)


def apply_topology(layout: Layout, plan: Plan) -> None:
    """Declare exchanges, queues, bindings and policies, and compare them with what the broker then has."""
    jobs.run(layout, "topology", [PYTHON, "-m", "topology", "apply"], env=topology_environment(layout, plan))


def topology_environment(layout: Layout, plan: Plan) -> dict[str, str]:
    """What the topology job is told."""
    return {
        "QS_SECRETS_DIR": str(passwords.directory(layout, "topology")),
        "QS_MANAGEMENT_URL": f"http://{HOST}:{plan.ports['rabbitmq-management']}",
    }


def _answers(layout: Layout, plan: Plan) -> bool:
    password = passwords.password(layout, "topology")
    management = plan.ports["rabbitmq-management"]
    managed = probes.http_ok(management, "/api/health/checks/local-alarms", user="topology", password=password)
    return managed and probes.listens(plan.ports["rabbitmq-metrics"]) and probes.listens(plan.ports["rabbitmq"])
