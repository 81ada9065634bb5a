"""The Python processes: the three services, their migrations, and the two simulators of the outside world."""

from pathlib import Path

from native import jobs, passwords, postgres, probes
from native.layout import CHECKOUT, PYTHON, Layout
from native.plan import Plan
from native.ports import HOST, SERVICES, split_instance
from native.program import Program


def programs(layout: Layout, plan: Plan) -> list[Program]:
    """Every instance of every service."""
    return [_service(layout, plan, name) for service in SERVICES for name in plan.instances(service)]


def environment(layout: Layout, plan: Plan, component: str) -> dict[str, str]:
    """The variables of one instance."""
    service, _ = split_instance(component)
    ports = plan.ports
    outside = {
        # The edge knows which of their instances are ready.
        "order": {f"QS_{name}_URL": f"http://{HOST}:{ports['edge']}" for name in ("PAYMENT", "NOTIFICATION")},
        "payment": {"QS_PROVIDER_URL": f"http://{HOST}:{ports['provider']}"},
        "notification": {"QS_SMTP_HOST": HOST, "QS_SMTP_PORT": str(ports["mailsink-smtp"])},
    }
    return {
        "QS_SECRETS_DIR": str(passwords.directory(layout, service)),
        "QS_HTTP_HOST": HOST,
        "QS_HTTP_PORT": str(ports[component]),
        "QS_INTERNAL_PORT": str(ports.internal(component)),
        "QS_DATABASE_HOSTS": postgres.hosts(plan),
        "QS_BROKER_HOST": HOST,
        "QS_BROKER_PORT": str(ports["rabbitmq"]),
        "QS_REDIS_HOST": HOST,
        "QS_REDIS_PORT": str(ports["redis"]),
        **outside[service],
        **plan.settings.get(service, {}),
    }


def migrate(layout: Layout, plan: Plan, service: str) -> None:
    """Bring the service's tables up to date, as the role that owns them."""
    secrets = passwords.directory(layout, f"migrate-{service}")
    variables = {"QS_DATABASE_HOSTS": postgres.hosts(plan), "QS_SECRETS_DIR": str(secrets)}
    jobs.run(layout, f"migrate-{service}", [PYTHON, "-m", "chassis", "migrate", service], env=variables)


def simulators(layout: Layout, plan: Plan) -> list[Program]:
    """The payment provider and the mail server."""
    provider, mailsink, smtp = (plan.ports[name] for name in ("provider", "mailsink", "mailsink-smtp"))
    smtp_variables = {"QS_SMTP_PORT": str(smtp)}
    return [
        _simulator(layout, plan, {"provider": provider}, {}, "/healthz"),
        _simulator(layout, plan, {"mailsink": mailsink, "mailsink-smtp": smtp}, smtp_variables, "/readyz"),
    ]


def configure(layout: Layout, plan: Plan) -> None:
    """Make their working directories; their configuration is in their environment."""
    for name in ("provider", "mailsink", *(name for service in SERVICES for name in plan.instances(service))):
        layout.data(name).mkdir(parents=True, exist_ok=True)


def _code(*packages: str) -> tuple[Path, ...]:
    return tuple(CHECKOUT / "services" / package / package for package in ("chassis", *packages))


def _service(layout: Layout, plan: Plan, component: str) -> Program:
    service, _ = split_instance(component)
    internal = plan.ports.internal(component)
    return Program(
        name=component,
        command=(str(PYTHON), "-m", "chassis", "serve", service),
        waits_for="answers /readyz",
        ready=lambda: probes.http_ok(internal, "/readyz"),
        ports={component: plan.ports[component], f"{component} (internal)": internal},
        environment=environment(layout, plan, component),
        files=_code(service),
        stop_seconds=30,
    )


def _simulator(layout: Layout, plan: Plan, ports: dict[str, int], extra: dict[str, str], path: str) -> Program:
    name, port = next(iter(ports.items()))
    variables = {"QS_HTTP_HOST": HOST, "QS_HTTP_PORT": str(port), "QS_DATA_DIR": str(layout.data(name))}
    return Program(
        name=name,
        command=(str(PYTHON), "-m", name),
        waits_for=f"answers {path}",
        ready=lambda: probes.http_ok(port, path),
        ports=ports,
        environment=variables | extra | dict(plan.settings.get(name, {})),
        files=_code(name),
    )
