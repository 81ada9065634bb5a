"""Tracing: an order's way through all services as one OpenTelemetry trace. Off unless `otlp_endpoint` is set.

Where work waits, its context is written down as a W3C `traceparent`: on the outbox row, in the event's envelope and
AMQP header, on the effect row. An event carries the context of the transaction that emitted it, so that its spans have
the same parent however often it is published and delivered. `chassis.spans` says which spans there are.

Off, everything here costs one comparison, and nothing of OpenTelemetry's SDK is imported.
"""

import asyncio
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanKind, StatusCode, Tracer, get_current_span, use_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

HEADER = "traceparent"
PATH = "/v1/traces"
EXPORT_SECONDS = 1.0  # what a killed process has not exported is lost: at most so much
TIMEOUT_SECONDS = 5.0  # of one export; it has a thread of its own, which nobody waits for
STOP_SECONDS = 2.0  # for the last ones, however long the collector takes

Attributes = Mapping[str, str | int]

_PROPAGATOR = TraceContextTextMapPropagator()
NOTHING: AbstractContextManager[Any] = nullcontext()
_tracer: Tracer | None = None
_provider: "TracerProvider | None" = None


def start(service: str, endpoint: str) -> None:
    """Trace from now on; do nothing without an endpoint, such as http://127.0.0.1:4318.

    The SDK's own `OTEL_` variables (for a sampler, for queues) hold.
    """
    global _tracer, _provider  # noqa: PLW0603  a process has one tracer, and its spans are everywhere
    if not endpoint:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  only when on
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    exporter = OTLPSpanExporter(endpoint.rstrip("/") + PATH, timeout=TIMEOUT_SECONDS)
    _provider = TracerProvider(resource=Resource.create({"service.name": service}), shutdown_on_exit=False)
    _provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=EXPORT_SECONDS * 1000))
    _tracer = _provider.get_tracer("chassis")


async def stop() -> None:
    """Export what is left, for at most `STOP_SECONDS`; then it is dropped."""
    global _tracer, _provider  # noqa: PLW0603
    if _provider is None:
        return
    thread = threading.Thread(target=_provider.shutdown, name="last spans", daemon=True)
    _tracer = _provider = None
    thread.start()
    await asyncio.to_thread(thread.join, STOP_SECONDS)


def tracer() -> Tracer | None:
    """What makes spans; `None` where nothing is traced."""
    return _tracer


def current() -> str | None:
    """What is written down to be continued elsewhere: the `traceparent` of the span we are in, if any."""
    if _tracer is None:
        return None
    context = get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def headers() -> dict[str, str]:
    """What an HTTP request of ours carries on."""
    traceparent = current()
    return {} if traceparent is None else {HEADER: traceparent}


def span(name: str, kind: SpanKind, parent: str | None, attributes: Attributes) -> AbstractContextManager[Any]:
    """A span around the block, with what is logged and emitted inside. Without a parent it begins a trace."""
    if _tracer is None:
        return NOTHING
    return _tracer.start_as_current_span(name, context_of(parent), kind, attributes)


def resumed(traceparent: str | None) -> AbstractContextManager[Any]:
    """The block goes on with what was begun, without a span of its own."""
    if _tracer is None or traceparent is None:
        return NOTHING
    return use_span(NonRecordingSpan(get_current_span(context_of(traceparent)).get_span_context()))


def annotate(attributes: Attributes, *, name: str | None = None, error: str | None = None) -> None:
    """Add what is known by now to the span we are in."""
    if _tracer is None:
        return
    now = get_current_span()
    now.set_attributes(attributes)
    if name is not None:
        now.update_name(name)
    if error is not None:
        now.set_status(StatusCode.ERROR, error)


def context_of(traceparent: str | None) -> Context:
    """What a span is begun in; a malformed one, whoever sent it, is as good as none."""
    return Context() if traceparent is None else _PROPAGATOR.extract({HEADER: traceparent}, Context())


def name_trace(_: object, __: str, fields: Any) -> Any:
    """Of structlog: a line that is written inside a span names it."""
    if _tracer is not None:
        context = get_current_span().get_span_context()
        if context.is_valid:
            fields |= {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
    return fields
