"""Which spans there are, and what each says of itself, in the names of OpenTelemetry's semantic conventions.

Whatever begins a span here is asked for it on the hot path, and answers with nothing at once where nothing is traced.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, use_span
from starlette.types import Scope

from chassis import metrics
from chassis.effects import Effect
from chassis.events import Contract, Envelope
from chassis.tracing import HEADER, NOTHING, Attributes, annotate, context_of, current, span, tracer


def request(scope: Scope, correlation_id: UUID) -> AbstractContextManager[Any]:
    """Around an HTTP request that we answer; `answered` completes it. The caller's trace goes on, if there is one."""
    if tracer() is None:
        return NOTHING
    caller = next((value.decode("latin-1") for name, value in scope["headers"] if name == HEADER.encode()), None)
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
    if tracer() is None:
        return NOTHING
    attributes = {"http.request.method": method, "url.path": path.partition("?")[0], "peer.service": name}
    return span(method, SpanKind.CLIENT, current(), attributes)


def calling(effect: Effect, name: str) -> AbstractContextManager[Any]:
    """Around one attempt at an effect's call; a child of what asked for it, however often it is tried."""
    if tracer() is None:
        return NOTHING
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
        return use_span(self._spans[position]) if self._spans else NOTHING

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
    if (making := tracer()) is None:
        return NO_BATCH
    return Batch([_consume(making, contract, envelope, len(envelopes)) for envelope in envelopes])


def _consume(making: Tracer, contract: Contract, envelope: Envelope, count: int) -> Span:
    attributes: Attributes = {
        **_message("process", envelope.type, str(envelope.id), str(envelope.subject)),
        "messaging.rabbitmq.destination.routing_key": envelope.routing_key,
        "messaging.destination.subscription.name": contract.queue(envelope.partition),
        "messaging.message.conversation_id": str(envelope.correlationid),
        "messaging.batch.message_count": count,
    }
    return making.start_span(
        f"process {envelope.type}", context_of(envelope.traceparent), SpanKind.CONSUMER, attributes
    )


def publishing(envelope: Envelope) -> AbstractContextManager[Any]:
    """Around one try to publish an event. It is beside what its subscribers do, a child of what emitted it."""
    if tracer() is None or envelope.traceparent is None:
        return NOTHING
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


def overdue(what: str, order_id: UUID, begun: str | None) -> AbstractContextManager[Any]:
    """Around what a deadline brings about; it goes on in the trace that the order was placed in."""
    if tracer() is None:
        return NOTHING
    return span(what, SpanKind.INTERNAL, begun, {"quicksand.order_id": str(order_id)})
