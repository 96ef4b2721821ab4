"""Spans as subsegments of AWS X-Ray. Lambda makes the segment of each call, and names it in _X_AMZN_TRACE_ID.

https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html
"""

import json
from collections.abc import Iterator, Sequence

from chalicelib.patterns import pattern
from chalicelib.tracing.spans import Span

HEADER = b'{"format": "json", "version": 1}\n'
MAX_DATAGRAM_BYTES = 64_000
_TRACE = pattern(
    r"Root=1-(?P<time>[0-9a-f]{8})-(?P<rest>[0-9a-f]{24});Parent=(?P<parent>[0-9a-f]{16});Sampled=(?P<sampled>[01])(?:;|\Z)"
)
_UNNAMED = pattern(r"[^\w\s.:/%&#=+\\@-]")


def traceparent_of(trace: str | None) -> str | None:
    """Return the W3C name of Lambda's segment; None when there is none."""
    match = _TRACE.match(trace or "")
    return match and f"00-{match['time']}{match['rest']}-{match['parent']}-0{match['sampled']}"


def subsegments(spans: Sequence[Span], trace: str | None) -> Iterator[bytes]:
    """Yield a datagram for the daemon for each span, all below Lambda's segment; none if X-Ray does not sample it."""
    match = _TRACE.match(trace or "")
    if match is None or match["sampled"] == "0":
        return
    ours = {span.span_id for span in spans}
    for span in spans:
        segment = {
            "name": _UNNAMED.sub("_", span.name)[:200],
            "id": span.span_id,
            "trace_id": f"1-{match['time']}-{match['rest']}",
            "parent_id": span.parent_id if span.parent_id in ours else match["parent"],
            "type": "subsegment",
            "start_time": span.started_ns / 1e9,
            "end_time": span.ended_ns / 1e9,
            **({"namespace": "remote"} if span.kind == "client" else {}),
            **({"fault": True} if span.error is not None else {}),
            "annotations": {name.replace(".", "_"): value for name, value in span.attributes.items()},
        }
        datagram = HEADER + json.dumps(segment).encode()
        if len(datagram) <= MAX_DATAGRAM_BYTES:
            yield datagram
