"""Whom we ask, and what they must be able to do.

Protocols only for what has, or will have, several implementations. An implementation
translates its library's exceptions: Unavailable, Throttled and Misconfigured are worth
another attempt, BadFile is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from chalicelib.model.files import Kind
from chalicelib.model.gateway import Outbound, UpstreamAnswer
from chalicelib.model.items import Analysis as Analysis


@dataclass(frozen=True, kw_only=True, slots=True)
class AnalysisRequest:
    """What an analyzer sees of an item: a preview of at most 2,000 px, or the first pages' text, or both."""

    kind: Kind
    name: str
    media_type: str
    preview_jpeg: bytes | None
    text: str
    language_hint: str | None = None


class Analyzer(Protocol):
    def analyze(self, request: AnalysisRequest, *, timeout_s: float) -> Analysis:
        """Describe one item. Idempotent; costs one provider call."""
        ...


class Embedder(Protocol):
    """Vectors are L2-normalised, so that a dot product is a cosine similarity."""

    model: str
    dimensions: int

    def embed(self, texts: Sequence[str], *, timeout_s: float) -> list[list[float]]:
        """One vector of `dimensions` floats a text, in order. At most 256 texts a call."""
        ...


class Upstream(Protocol):
    """A service behind the gateway. `base_path` stands before every path; `key` signs what it is told of callers."""

    name: str
    url: str
    base_path: str
    key: bytes

    def ask(self, request: Outbound, *, timeout_s: float) -> UpstreamAnswer:
        """Its answer, whatever the status. UpstreamFailed for none, Unavailable while it is given a rest."""
        ...
