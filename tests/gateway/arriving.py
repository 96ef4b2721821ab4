"""A request as it arrived at an upstream."""

from chalicelib.tracing.spans import parse_traceparent
from tests.support.upstreams import RawUpstream

FORWARDED = [
    'Forwarded: for=192.0.2.7;host="api.example.com";proto=https',
    "X-Forwarded-For: 192.0.2.7",
    "X-Forwarded-Host: api.example.com",
    "X-Forwarded-Port: 443",
    "X-Forwarded-Proto: https",
    "X-Request-Id: aws-request-id",
]


def arrived(found: RawUpstream) -> tuple[str, list[str], bytes]:
    """Return the one request's first line, its headers in order but for the gateway's own trace, its body."""
    [request] = found.requests
    head, _, body = request.partition(b"\r\n\r\n")
    line, *headers = head.decode("latin-1").split("\r\n")
    [trace] = [header for header in headers if header.lower().startswith("traceparent")]
    assert parse_traceparent(trace.removeprefix("traceparent: "))
    return line, [header for header in headers if header != trace], body
