"""An OTLP/HTTP collector in the test's own process: it keeps the spans that services export to it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Span:
    """A span as it was exported; ids are hexadecimal, `parent_id` is empty where it begins a trace."""

    trace_id: str
    id: str
    parent_id: str
    service: str
    name: str
    attributes: dict[str, str | int]
    failed: bool


class Collector(AbstractContextManager["Collector"]):
    """Listens while it is entered; HTTP 1.0, so that no connection outlives it."""

    def __init__(self, port: int = 0) -> None:
        self._bodies: list[bytes] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _keeping(self._bodies))
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Be gone."""
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.server_port

    async def trace(self, trace_id: str) -> list[Span]:
        """The spans of a trace, as far as they have come."""
        return [span for body in list(self._bodies) for span in _spans(body) if span.trace_id == trace_id]


def _keeping(bodies: list[bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing on the terminal."""

    return Handler


def _spans(body: bytes) -> Iterator[Span]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = _plain(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    trace_id=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    service=str(service),
                    name=span.name,
                    attributes=_plain(span.attributes),
                    failed=span.status.code == span.status.STATUS_CODE_ERROR,
                )


def _plain(attributes: Any) -> dict[str, str | int]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
