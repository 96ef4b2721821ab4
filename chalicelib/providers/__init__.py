"""Whom we ask, and what they must be able to do.

Protocols only for what has, or will have, several implementations. An implementation
translates its library's exceptions: Unavailable, Throttled and Misconfigured are worth
another attempt, BadFile is not.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from msgspec import Struct

from chalicelib.model.accounts.mails import Mail
from chalicelib.model.gateway.gateway import Outbound, UpstreamAnswer
from chalicelib.model.ingest.files import DecodedFile, Kind, Page, ReadBounds
from chalicelib.model.library.items import Analysis as Analysis

# A local path, a page, width_px, spans, timeout_s: see decoder.Decoder.render_page.
Render = Callable[..., bytes]
LendRender = Callable[[str], AbstractContextManager[Render]]  # to a caller: see drawing_pool.DrawingPool.lend


class AnalysisRequest(Struct, frozen=True, kw_only=True):
    """An item as the analyzer gets it: a preview of at most 2,000 px and the text of the first pages."""

    kind: Kind
    name: str
    media_type: str
    preview_jpeg: bytes | None
    text: str
    language_hint: str | None = None


class FileReader(Protocol):
    """Parses what may be hostile. A call raises BadFile, and Unavailable when `timeout_s` ended before its verdict."""

    def decode(
        self, path: str, declared_media_type: str | None, *, bounds: ReadBounds, timeout_s: float
    ) -> DecodedFile:
        """Return the content of a file; for a document, at least one page and at most one batch."""
        ...

    def read_pages(
        self, path: str, first_page: int, *, text_size_left: int, bounds: ReadBounds, timeout_s: float
    ) -> tuple[Page, ...]:
        """The pages of a document's next batch, one at least. Together they come to `text_size_left` at most."""
        ...


class Analyzer(Protocol):
    def analyze(self, request: AnalysisRequest, *, timeout_s: float) -> Analysis:
        """Describe one item. Idempotent; costs one provider call."""
        ...

    def read_page(self, page_jpeg: bytes, *, timeout_s: float) -> str:
        """Return the text on a page, in reading order, "" when there is none. Idempotent; costs one provider call."""
        ...


class Embedder(Protocol):
    """Vectors are L2-normalised, so that a dot product is a cosine similarity."""

    model: str
    dimensions: int

    def embed(self, texts: Sequence[str], *, timeout_s: float) -> list[list[float]]:
        """One vector of `dimensions` floats a text, in order. At most 256 texts a call."""
        ...


class ChatAnswer(Struct, frozen=True, kw_only=True):
    """`value` is JSON as the model wrote it, asked for by a schema but not checked against it."""

    value: Any
    input_tokens: int
    output_tokens: int


class ChatModel(Protocol):
    """`provider` and `model` are kept with every answer."""

    provider: str
    model: str

    def complete(
        self, system: str, prompt: str, *, schema: Mapping[str, Any], max_tokens: int, timeout_s: float
    ) -> ChatAnswer:
        """One answer in JSON to one prompt. `schema` is an object's, its `title` a plain word.

        Raises ModelRefused; Unavailable, coded "model_cut_off" when the answer is longer than `max_tokens`.
        """
        ...


class Reranker(Protocol):
    def rerank(self, query: str, documents: Sequence[str], *, timeout_s: float) -> list[float]:
        """Return a relevance score for each document, in their order; most models' scores are 0..1."""
        ...


class Mailer(Protocol):
    def send(self, mail: Mail) -> None:
        """Hand one mail over. Raise Unavailable when that failed; sent again, it may arrive twice."""
        ...


class Upstream(Protocol):
    """A service behind the gateway. `base_path` stands before every path; `key` signs what it is told of callers."""

    name: str
    url: str
    base_path: str
    key: bytes

    def ask(self, request: Outbound, *, caller: str, timeout_s: float) -> UpstreamAnswer:
        """Return its answer, whatever the status. `caller` is who sends it: one caller's failures rest no other's.

        Raises UpstreamFailed for no answer, Unavailable while it is given a rest.
        """
        ...
