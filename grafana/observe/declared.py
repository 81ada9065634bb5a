"""Our own metrics, as the processes declare them: asked of the collectors themselves, so that nothing is said twice."""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from meters import LoadMeter
from meters.verdict import registry as verdict

SHARED = ("chassis.metrics", "chassis.saga")
SERVICES = ("order.metrics", "payment.metrics", "notification.metrics")


@dataclass(frozen=True)
class Metric:
    """One metric of ours. `name` is what Prometheus stores; `source` who exports it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str
    source: str


def declared() -> list[Metric]:
    """All of them, by source and name."""
    found = {metric.name: metric for metric in _of_modules()}
    found |= {metric.name: metric for metric in _of_registry(LoadMeter().registry, "load generator")}
    found |= {metric.name: metric for metric in _of_registry(verdict({1: 0}, 0), "verify")}
    return sorted(found.values(), key=lambda metric: (metric.source, metric.name))


def _of_modules() -> Iterator[Metric]:
    seen: set[str] = set()
    for module in (*SHARED, *SERVICES):
        try:
            loaded = importlib.import_module(module)
        except ModuleNotFoundError:
            continue  # a service without numbers of its own
        source = "every service" if module in SHARED else module.partition(".")[0]
        for value in vars(loaded).values():
            if isinstance(value, MetricWrapperBase) and (name := _name(value)) not in seen:
                seen.add(name)
                yield _metric(value, source)


def _of_registry(registry: CollectorRegistry, source: str) -> Iterator[Metric]:
    for collector in registry._collector_to_names:  # noqa: SLF001  the library has no other way to list them
        assert isinstance(collector, MetricWrapperBase)
        yield _metric(collector, source)


def _metric(collector: MetricWrapperBase, source: str) -> Metric:
    labels = tuple(collector._labelnames)  # noqa: SLF001  likewise
    meaning = collector._documentation or ""  # noqa: SLF001  likewise
    kind = collector._type or "untyped"  # noqa: SLF001  likewise
    return Metric(_name(collector), kind, labels, meaning, source)


def _name(collector: MetricWrapperBase) -> str:
    name = collector._name  # noqa: SLF001  likewise
    return f"{name}_total" if collector._type == "counter" else name  # noqa: SLF001  likewise
