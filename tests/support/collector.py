"""A collector of traces on 127.0.0.1: keeps what it is sent, or hangs, or answers what the test wants."""

import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class CollectorServer:
    """`answer` is the raw response; None: it hangs until the test is over."""

    url: str = ""
    answer: bytes | None = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    received: list[Received] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def requests(self) -> list[ExportTraceServiceRequest]:
        return [parsed(each.body) for each in self.received]

    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests()
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def named(self, name: str) -> Span:
        (found,) = [span for span in self.spans() if span.name == name]
        return found


def parsed(body: bytes) -> ExportTraceServiceRequest:
    """Parse OTLP's JSON by its protobuf definition; ids are hex there, and base64 in protobuf's own JSON."""

    def base64_ids(value: dict[str, Any]) -> dict[str, Any]:
        for name in value.keys() & {"traceId", "spanId", "parentSpanId"}:
            value[name] = b64encode(bytes.fromhex(value[name])).decode()
        return value

    text = json.dumps(json.loads(body, object_hook=base64_ids))
    request: ExportTraceServiceRequest = Parse(text, ExportTraceServiceRequest())
    return request


def attributes(span: Span) -> dict[str, Any]:
    found = {}
    for each in span.attributes:
        kind = each.value.WhichOneof("value")
        found[each.key] = getattr(each.value, kind)
    return found


@contextmanager
def collector_server() -> Iterator[CollectorServer]:
    collector = CollectorServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.received.append(Received(self.path, dict(self.headers), body))
            if collector.answer is None:
                collector.over.wait(60)
                self.close_connection = True
            else:
                self.wfile.write(collector.answer)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.005,), daemon=True).start()
    yield collector
    collector.over.set()
    server.shutdown()
    server.server_close()
