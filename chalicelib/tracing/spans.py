"""Spans of this process: what took how long, as a part of what. The current span is ambient, as the logs' fields are.

    with spans.continued(headers.get("traceparent")):          # of a caller: what is no traceparent is ignored
        with spans.span("GET /api/v1/items", kind="server", attributes={...}) as span:
            span.attributes[HTTP_STATUS] = 200
            send(traceparent=spans.traceparent())               # to whom we call

Finished spans are kept until take_finished(), the latest MAX_SPANS of them.
"""

import random
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

from msgspec import Struct, field

from chalicelib.patterns import pattern

Kind = Literal["internal", "server", "client", "consumer"]
MAX_SPANS = 512
# W3C Trace Context, level 1: version, trace id, parent id, flags. Later versions may add to it.
_TRACEPARENT = pattern(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace_id>[0-9a-f]{32})-(?!0{16})(?P<span_id>[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-[\x21-\x7e]{0,200})?\Z"
)
_finished: "deque[Span]" = deque(maxlen=MAX_SPANS)
_random = random.Random()  # noqa: S311  ids need not be secret


class Parent(Struct, frozen=True):
    """A span that somebody else has begun."""

    trace_id: str
    span_id: str
    is_sampled: bool


class Span(Struct, kw_only=True):
    """`attributes` have no user's content; `content` has, and leaves this process only where a setting allows it.

    `error` is a code or a class' name, None when nothing failed. Times are nanoseconds since 1970.
    """

    name: str
    kind: Kind
    trace_id: str
    span_id: str
    parent_id: str | None
    is_sampled: bool
    started_ns: int
    ended_ns: int = 0
    attributes: dict[str, str | int | float] = field(default_factory=dict)
    content: dict[str, str] = field(default_factory=dict)
    error: str | None = None


_current: ContextVar[Span | Parent | None] = ContextVar("span", default=None)


@contextmanager
def continued(traceparent: Any) -> Iterator[None]:
    """Let the spans of the block be parts of that span. What is no traceparent changes nothing."""
    token = _current.set(parse_traceparent(traceparent) or _current.get())
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def span(
    name: str, *, kind: Kind = "internal", attributes: Mapping[str, str | int | float] | None = None
) -> Iterator[Span]:
    """Time the block as a part of the current span. An exception marks it as failed, by its code or class."""
    parent = _current.get()
    span = Span(
        name=name,
        kind=kind,
        trace_id=parent.trace_id if parent else _id(128),
        span_id=_id(64),
        parent_id=parent.span_id if parent else None,
        is_sampled=parent.is_sampled if parent else True,
        started_ns=time.time_ns(),
        attributes=dict(attributes or {}),
    )
    token = _current.set(span)
    try:
        yield span
    except BaseException as error:
        span.error = str(getattr(error, "code", type(error).__name__))
        raise
    finally:
        _current.reset(token)
        span.ended_ns = max(time.time_ns(), span.started_ns)
        if span.is_sampled:
            _finished.append(span)


def traceparent() -> str | None:
    """Return the current span's name for those that this process calls; None outside any span."""
    current = _current.get()
    if current is None:
        return None
    return f"00-{current.trace_id}-{current.span_id}-{'01' if current.is_sampled else '00'}"


def take_finished() -> list[Span]:
    """Return the spans that have ended since the last call, in the order in which they ended."""
    taken = []
    while _finished:
        try:
            taken.append(_finished.popleft())
        except IndexError:  # another thread took it
            break
    return taken


def parse_traceparent(given: Any) -> Parent | None:
    """Return the parent that a W3C traceparent names, None for anything else."""
    match = _TRACEPARENT.match(given) if isinstance(given, str) and len(given) <= 256 else None
    if match is None or (match["version"] == "00" and match["more"]):
        return None
    return Parent(match["trace_id"], match["span_id"], bool(int(match["flags"], 16) & 1))


def _id(bits: int) -> str:
    return f"{_random.getrandbits(bits) or 1:0{bits // 4}x}"
