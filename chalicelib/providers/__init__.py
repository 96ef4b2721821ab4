"""Protocols of the providers.

Only what has, or will have, several implementations gets a Protocol. An implementation translates its library's
exceptions. Unavailable, Throttled and Misconfigured are tried again, BadFile is not.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

from msgspec import Struct

from chalicelib.model.accounts.mails import Mail
from chalicelib.model.gateway.gateway import Outbound, UpstreamAnswer
from chalicelib.model.ingest.files import DecodedFile, Kind, Page, ReadBounds
from chalicelib.model.library.items import Analysis as Analysis
from chalicelib.model.usage.usage import Usage as Usage

# Takes a local path, a page, width_px, spans and timeout_s; see decoder.Decoder.render_page.
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
    """Reads files that may be hostile. A call raises BadFile, and Unavailable when `timeout_s` ends first."""

    def decode(
        self, path: str, declared_media_type: str | None, *, bounds: ReadBounds, timeout_s: float
    ) -> DecodedFile:
        """Return the content of a file; for a document, at least one page and at most one batch."""
        ...

    def read_pages(
        self, path: str, first_page: int, *, text_size_left: int, bounds: ReadBounds, timeout_s: float
    ) -> tuple[Page, ...]:
        """Return the pages of a document's next batch, at least one. Their text has at most `text_size_left`."""
        ...


# Takes the usage of each call that was answered, also of a call that ends in an error: both are charged.
Spend = Callable[[Usage], None]
Purpose = Literal["query", "document"]
# Whom a model of a role asks, in this order: usages in which nothing is used yet. What charges nothing may be left out.
Asked = tuple[Usage, ...]


class Analyzer(Protocol):
    """Describes items and reads pages. `asked`: whom it asks, in this order; see Asked."""

    asked: Asked

    def analyze(self, request: AnalysisRequest, *, timeout_s: float, spend: Spend | None = None) -> Analysis:
        """Describe one item. Idempotent. Raises BadFile when the provider does not take or describe it."""
        ...

    def read_page(self, page_jpeg: bytes, *, timeout_s: float, spend: Spend | None = None) -> str:
        """Return the text on a page, in reading order, "" when there is none. Idempotent.

        Raises BadFile when the provider does not take or read it.
        """
        ...


class Pictured(Struct, frozen=True, kw_only=True):
    """A text and a picture that get one vector together; the text may be ""."""

    text: str
    jpeg: bytes


class Embedder(Protocol):
    """Makes vectors, L2-normalised, so that a dot product is a cosine similarity.

    `sees_pictures`: it takes Pictured as well, into the space of its texts. `asked`: see Asked. `next` is the model
    that the index is moved to, if any: both are configured while it is. `pictures` is the model that pictures have
    vectors of in a space of their own, if any; texts are queries there.
    """

    asked: Asked
    model: str
    dimensions: int
    sees_pictures: bool
    next: "Embedder | None"
    pictures: "Embedder | None"

    def embed(
        self,
        texts: Sequence[str | Pictured],
        *,
        purpose: Purpose = "document",
        timeout_s: float,
        spend: Spend | None = None,
    ) -> list[list[float]]:
        """Return a vector of `dimensions` floats for each text, in order. Make as few calls as the limits allow."""
        ...


def models_of(embedder: Embedder) -> tuple[Embedder, ...]:
    """Return the models that are configured: the embedder itself, and the next one if there is one."""
    return (embedder, embedder.next) if embedder.next else (embedder,)


class ChatAnswer(Struct, frozen=True, kw_only=True):
    """Reply of a chat model. `value` is JSON that fits the schema; `provider` and `model` say who wrote it."""

    value: Any
    provider: str
    model: str


class ChatModel(Protocol):
    """A model that answers prompts. `provider` and `model` are those that are asked first. `asked`: all; see Asked."""

    asked: Asked
    provider: str
    model: str

    def complete(
        self,
        system: str,
        prompt: str,
        *,
        schema: Mapping[str, Any],
        max_tokens: int,
        timeout_s: float,
        spend: Spend | None = None,
    ) -> ChatAnswer:
        """Return an answer in JSON to a prompt. `schema` is one of model/prompts.py.

        Raise ModelRefused, and Unavailable: its code is "model_cut_off" if the answer is longer than `max_tokens`, and
        "model_unusable" if it does not fit the schema.
        """
        ...


class Reranker(Protocol):
    """Puts search results into order. `asked`: whom it asks, in this order; see Asked."""

    asked: Asked

    def rerank(
        self, query: str, documents: Sequence[str], *, timeout_s: float, spend: Spend | None = None
    ) -> list[float]:
        """Return a relevance score for each document, in their order; most models' scores are 0..1."""
        ...


class Mailer(Protocol):
    def send(self, mail: Mail) -> None:
        """Send a mail. Raise Unavailable if that fails; the mail may have been sent all the same."""
        ...


class Upstream(Protocol):
    """A service behind the gateway. `base_path` precedes every path; `key` signs the callers' identities."""

    name: str
    url: str
    base_path: str
    key: bytes

    def ask(self, request: Outbound, *, caller: str, timeout_s: float) -> UpstreamAnswer:
        """Return the service's response, whatever its status.

        `caller` has a circuit breaker of its own, so that its failures do not stop other callers. Raise UpstreamFailed
        without a usable response, Unavailable while a breaker is open.
        """
        ...
