"""Which faults are at work, for Prometheus: dashboards draw them behind everything else."""

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from provider.faults import Faults

REGISTRY = CollectorRegistry()
ACTIVE = Gauge(
    "faults_active", "1 while a fault that was asked for is at work.", ("fault", "target"), registry=REGISTRY
)


def show(faults: Faults) -> None:
    """These are at work now."""
    for name, value in faults.model_dump().items():
        ACTIVE.labels(name, "provider").set(bool(value))


async def answer(_: Request) -> Response:
    """What Prometheus asks for."""
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)
