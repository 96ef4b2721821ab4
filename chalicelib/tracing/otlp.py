"""Writes spans as OTLP's JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.tracing import names
from chalicelib.tracing.spans import Span

_KINDS = {"internal": 1, "server": 2, "client": 3, "consumer": 5}
_ERROR = 2
MAX_CHARS = 20_000  # of one attribute


def encode_spans(spans: Sequence[Span], *, resource: Mapping[str, str], with_content: bool) -> bytes:
    """Return the body of a request to /v1/traces. `with_content`: prompts and answers are in it."""
    scope = {"name": "collections", "version": resource.get(names.SERVICE_VERSION, "")}
    scoped = {
        "scope": scope,
        "schemaUrl": names.SCHEMA_URL,
        "spans": [_span(span, with_content=with_content) for span in spans],
    }
    resource_spans = {"resource": {"attributes": _attributes(resource)}, "scopeSpans": [scoped]}
    return json.dumps({"resourceSpans": [resource_spans]}).encode()


def _span(span: Span, *, with_content: bool) -> dict[str, Any]:
    attributes: dict[str, Any] = {**span.attributes, **(span.content if with_content else {})}
    if span.error is not None:
        attributes[names.ERROR_TYPE] = span.error
    told = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name[:256],
        "kind": _KINDS[span.kind],
        "startTimeUnixNano": str(span.started_ns),
        "endTimeUnixNano": str(span.ended_ns),
        "attributes": _attributes(attributes),
        "status": {"code": _ERROR} if span.error is not None else {},
    }
    return told | ({"parentSpanId": span.parent_id} if span.parent_id else {})


def _attributes(values: Mapping[str, str | int | float]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in values.items()]


def _value(value: str | int | float) -> dict[str, Any]:
    if isinstance(value, str):
        # Half a surrogate pair is valid in JSON's escapes, and in no protobuf.
        return {"stringValue": value[:MAX_CHARS].encode(errors="replace").decode()}
    return {"intValue": str(value)} if isinstance(value, int) else {"doubleValue": value}
