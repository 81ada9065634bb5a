"""Tracing: an order's way through all services as one OpenTelemetry trace. Off unless `otlp_endpoint` is set.

Where work waits, its context is written down as a W3C `traceparent`: on the outbox row, in the event's envelope and
AMQP header, on the effect row. An event carries the context of the transaction that emitted it, so that its spans have
the same parent however often it is published and delivered. Names follow OpenTelemetry's semantic conventions.

Off, everything here costs one comparison, and nothing of OpenTelemetry's SDK is imported.
"""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanKind, StatusCode, Tracer, get_current_span, use_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import Scope

from chassis import metrics
from chassis.events import Contract, Envelope

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from chassis.effects import Effect

HEADER = "traceparent"
PATH = "/v1/traces"
EXPORT_SECONDS = 1.0  # what a killed process has not exported is lost: at most so much
TIMEOUT_SECONDS = 5.0  # of one export; it has a thread of its own, which nobody waits for
STOP_SECONDS = 2.0  # for the last ones, however long the collector takes

Attributes = Mapping[str, str | int]

_PROPAGATOR = TraceContextTextMapPropagator()
_NOTHING: AbstractContextManager[Any] = nullcontext()
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


def on() -> bool:
    """Whether anything is traced."""
    return _tracer is not None


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
        return _NOTHING
    return _tracer.start_as_current_span(name, _context(parent), kind, attributes)


def overdue(what: str, order_id: UUID, begun: str | None) -> AbstractContextManager[Any]:
    """Around what a deadline brings about; it goes on in the trace that the order was placed in."""
    return span(what, SpanKind.INTERNAL, begun, {"quicksand.order_id": str(order_id)})


def resumed(traceparent: str | None) -> AbstractContextManager[Any]:
    """The block goes on with what was begun, without a span of its own."""
    if _tracer is None or traceparent is None:
        return _NOTHING
    return use_span(NonRecordingSpan(get_current_span(_context(traceparent)).get_span_context()))


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


def request(scope: Scope, correlation_id: UUID) -> AbstractContextManager[Any]:
    """Around an HTTP request that we answer; `answered` completes it. The caller's trace goes on, if there is one."""
    if _tracer is None:
        return _NOTHING
    caller = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), None)
    method = metrics.method(scope["method"])
    attributes: Attributes = {
        "http.request.method": method,
        "url.scheme": scope["scheme"],
        "url.path": scope["path"],
        "quicksand.correlation_id": str(correlation_id),
    }
    return span(method, SpanKind.SERVER, caller, attributes)


def answered(route: str, method: str, status: int) -> None:
    """What is known of a request when it ends."""
    error = f"answered {status}" if status >= 500 else None
    annotate({"http.route": route, "http.response.status_code": status}, name=f"{method} {route}", error=error)


def asking(name: str, method: str, path: str) -> AbstractContextManager[Any]:
    """Around an HTTP request of ours to another service, in the span we are in."""
    attributes = {"http.request.method": method, "url.path": path.partition("?")[0], "peer.service": name}
    return span(method, SpanKind.CLIENT, current(), attributes)


def calling(effect: "Effect", name: str) -> AbstractContextManager[Any]:
    """Around one attempt at an effect's call; a child of what asked for it, however often it is tried."""
    attributes: Attributes = {
        "peer.service": name,
        "quicksand.attempt": effect.attempt,
        "quicksand.order_id": str(effect.subject),
        "quicksand.correlation_id": str(effect.correlation_id),
    }
    return span(f"{effect.kind} {name}", SpanKind.CLIENT, effect.traceparent, attributes)


class Batch:
    """Messages that share a transaction: each has a span, from before the transaction's begin until its commit."""

    def __init__(self, spans: Sequence[Span] = ()) -> None:
        self._spans = spans

    def message(self, position: int) -> AbstractContextManager[Any]:
        """Around the handling of one message."""
        return use_span(self._spans[position]) if self._spans else _NOTHING

    def tell(self, results: Sequence[str]) -> None:
        """What became of each: ok, duplicate or parked."""
        for one, result in zip(self._spans, results, strict=False):
            one.set_attribute("quicksand.result", result)

    def __enter__(self) -> Self:
        """The spans are under way."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """All of them end; an exception has rolled all of them back."""
        for one in self._spans:
            if error is not None:
                one.set_status(StatusCode.ERROR, f"rolled back: {error!r}")
            one.end()


NO_BATCH = Batch()


def processing(contract: Contract, envelopes: Sequence[Envelope]) -> Batch:
    """The spans of these messages, children of what emitted each."""
    if _tracer is None:
        return NO_BATCH
    return Batch([_consume(_tracer, contract, envelope, len(envelopes)) for envelope in envelopes])


def _consume(tracer: Tracer, contract: Contract, envelope: Envelope, count: int) -> Span:
    attributes: Attributes = {
        **_message("process", envelope.type, str(envelope.id), str(envelope.subject)),
        "messaging.rabbitmq.destination.routing_key": envelope.routing_key,
        "messaging.destination.subscription.name": contract.queue(envelope.partition),
        "messaging.message.conversation_id": str(envelope.correlationid),
        "messaging.batch.message_count": count,
    }
    return tracer.start_span(f"process {envelope.type}", _context(envelope.traceparent), SpanKind.CONSUMER, attributes)


def publishing(envelope: Envelope) -> AbstractContextManager[Any]:
    """Around one try to publish an event. It is beside what its subscribers do, a child of what emitted it."""
    if _tracer is None or envelope.traceparent is None:
        return _NOTHING
    attributes = _message("send", envelope.type, str(envelope.id), str(envelope.subject))
    return span(f"send {envelope.type}", SpanKind.PRODUCER, envelope.traceparent, attributes)


def _message(operation: str, type_: str, id_: str, order_id: str) -> dict[str, str | int]:
    return {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": "events",
        "messaging.message.id": id_,
        "cloudevents.event_type": type_,
        "quicksand.order_id": order_id,
    }


def _context(traceparent: str | None) -> Context:
    """A malformed one, whoever sent it, is as good as none."""
    return Context() if traceparent is None else _PROPAGATOR.extract({HEADER: traceparent}, Context())


def name_trace(_: object, __: str, fields: Any) -> Any:
    """Of structlog: a line that is written inside a span names it."""
    if _tracer is not None:
        context = get_current_span().get_span_context()
        if context.is_valid:
            fields |= {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
    return fields
