"""What was asked for: which stack, where, how many instances, with which settings. Kept in stack.json."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from native.errors import StackError
from native.layout import CHECKOUT, Layout
from native.ports import DEFAULT_BASE, MAX_REPLICAS, SERVICES, Ports, instance

CONFIGURABLE = (*SERVICES, "provider", "mailsink")
Settings = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Plan:
    """One `up`. `settings` maps a service to QS_ variables that all its instances get.

    Without `patroni` Postgres is a plain pair: a primary and a replica that stay what they are. It starts sooner.
    """

    base_port: int = DEFAULT_BASE
    replicas: int = 1
    only_servers: bool = False
    settings: Settings = field(default_factory=dict)
    checkout: str = str(CHECKOUT)
    patroni: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.replicas <= MAX_REPLICAS:
            raise StackError(f"{self.replicas} replicas cannot be: choose 1 to {MAX_REPLICAS}")
        for service, variables in self.settings.items():
            if service not in CONFIGURABLE:
                raise StackError(f"nothing called '{service}' takes settings: choose one of {', '.join(CONFIGURABLE)}")
            for name, value in variables.items():
                _check(service, name, value)

    @property
    def ports(self) -> Ports:
        """The block of ports."""
        return Ports(self.base_port)

    def instances(self, service: str) -> list[str]:
        """The names of the service's instances: order, order-2, ..."""
        return [instance(service, number) for number in range(1, self.replicas + 1)]

    def refuse_conflict(self, stack: str, running: "Plan | None") -> None:
        """Raises `StackError` where what runs under this name is another checkout's, or on other ports."""
        if running is None:
            return
        if running.checkout != self.checkout:
            raise StackError(
                f"a stack '{stack}' runs from another checkout, {running.checkout}: "
                f"take it down there, or choose another name and ports, as in: make up STACK=mine BASE_PORT=9080"
            )
        if running.base_port != self.base_port:
            raise StackError(
                f"'{stack}' runs on ports {running.base_port} and up, not {self.base_port}: take it down first"
            )

    def write(self, layout: Layout, *, complete: bool) -> None:
        """Remember it for the commands that come later, and whether every job and component was done with."""
        _file(layout).write_text(json.dumps({"plan": asdict(self), "complete": complete}, indent=2) + "\n")


def read(layout: Layout) -> Plan | None:
    """What the last `up` was asked for; `None` where the stack never was up."""
    try:
        return Plan(**{"patroni": False} | _read(layout)["plan"])  # those without the word are older than Patroni here
    except FileNotFoundError:
        return None


def is_complete(layout: Layout) -> bool:
    """Whether the last `up` got to its end."""
    return bool(_file(layout).exists() and _read(layout)["complete"])


def parse_settings(texts: list[str]) -> dict[str, dict[str, str]]:
    """`order.QS_ORDER_TTL_SECONDS=5`, as typed on the command line."""
    settings: dict[str, dict[str, str]] = {}
    for text in texts:
        target, equals, value = text.partition("=")
        service, dot, name = target.partition(".")
        if not (equals and dot and name):
            raise StackError(f"'{text}' is no setting: write it as order.QS_ORDER_TTL_SECONDS=5")
        settings.setdefault(service, {})[name] = value
    return settings


def traced(settings: Settings, endpoint: str | None) -> Settings:
    """The same, and where every service exports its traces to, if anywhere."""
    if not endpoint:
        return settings
    return {**settings, **{name: {"QS_OTLP_ENDPOINT": endpoint, **settings.get(name, {})} for name in SERVICES}}


def _check(service: str, name: str, value: str) -> None:
    if not name.startswith("QS_") and name != "ENVIRONMENT":
        raise StackError(f"{service}.{name} is no setting: their names begin with QS_")
    if any(character in value for character in '"\\\n'):
        raise StackError(
            f"{service}.{name} holds a quote, a backslash or a line break: supervisord cannot pass those on"
        )


def _read(layout: Layout) -> dict[str, Any]:
    try:
        content = json.loads(_file(layout).read_text())
        return {"plan": content["plan"], "complete": content["complete"]}
    except (ValueError, KeyError, TypeError):
        raise StackError(f"{_file(layout)} is damaged: delete it and start the stack again") from None


def _file(layout: Layout) -> Path:
    return layout.root / "stack.json"
