"""Embeds texts, and pictures where the model sees them.

Texts are split into the calls that the provider's limits ask for. Vectors are checked and normalised.
"""

import math
import sys
from abc import abstractmethod
from array import array
from base64 import b64decode
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any

from chalicelib.errors import Misconfigured, Unavailable
from chalicelib.model.ingest.chunking import estimate_tokens
from chalicelib.providers import Embedder, Pictured, Purpose, Spend
from chalicelib.providers.models.attempts import Providers
from chalicelib.providers.models.model_client import ModelClient
from chalicelib.providers.models.observing import observed_call

MAX_ANSWER_BYTES = 64 * 1024 * 1024
# Tokenizers differ: a text may have twice as many tokens as estimated.
_TOKENS_PER_ESTIMATED = 2
PICTURE_TOKENS = 4_000  # more than a preview has at Voyage's 560 pixels a token, once it is made smaller


class EmbeddingApi(ModelClient):
    """A provider's embedding model, and how many texts and tokens it takes in a call."""

    max_texts: int
    max_tokens: int
    sees_pictures = False

    @abstractmethod
    def fetch(
        self, texts: Sequence[Any], *, purpose: Purpose, timeout_s: float, spend: Spend | None
    ) -> list[Sequence[float]]:
        """Make one call; return a vector each, in order. Raise Unavailable when the answer is not that.

        `texts` are str, and Pictured where the model sees pictures.
        """


class HostedEmbedder:
    def __init__(
        self,
        api: Providers[EmbeddingApi],
        *,
        dimensions: int,
        next: Embedder | None = None,
        pictures: Embedder | None = None,
    ) -> None:
        self.asked = tuple(each.usage() for each in api.clients)
        self.next, self.pictures = next, pictures
        self.model = api.first.model
        self.dimensions = dimensions
        self.sees_pictures = api.first.sees_pictures
        self._api = api

    def embed(
        self,
        texts: Sequence[str | Pictured],
        *,
        purpose: Purpose = "document",
        timeout_s: float,
        spend: Spend | None = None,
    ) -> list[list[float]]:
        """One normalised vector each, in order; see Embedder, and JsonApi.post for what is raised.

        Raises Misconfigured, coded "wrong_dimensions", for vectors of another length than is configured.
        """
        give_up_at = monotonic() + timeout_s
        vectors = list[list[float]]()
        api = self._api.first
        for batch in split_texts(texts, max_texts=api.max_texts, max_tokens=api.max_tokens):

            def fetch(
                api: EmbeddingApi, calls: Any, batch: Sequence[str | Pictured] = batch
            ) -> list[list[float]]:
                left_s = calls.begin()
                with observed_call("embeddings", api.provider, api.model, spend) as call:
                    found = api.fetch(batch, purpose=purpose, timeout_s=left_s, spend=call.note)
                return [self._normalised(vector) for vector in found]

            vectors += self._api.ask(fetch, timeout_s=give_up_at - monotonic())
        return vectors

    def _normalised(self, vector: Sequence[float]) -> list[float]:
        if len(vector) != self.dimensions:
            raise Misconfigured(
                f"{self.model} answers vectors of {len(vector)} dimensions where EMBEDDING_DIMENSIONS is"
                f" {self.dimensions}.",
                code="wrong_dimensions",
            )
        length = math.sqrt(math.fsum(value * value for value in vector))
        if not math.isfinite(length) or length == 0:
            raise Unavailable(
                f"{self.model} answered a vector that has no direction.", code="unusable_answer"
            )
        return [value / length for value in vector]


def split_texts(
    texts: Sequence[str | Pictured], *, max_texts: int, max_tokens: int
) -> Iterator[list[str | Pictured]]:
    """Yield the texts in order, in batches within both limits. A text that is too long by itself is a batch."""
    batch, size = list[str | Pictured](), 0
    for text in texts:
        tokens = _tokens(text)
        if batch and (len(batch) == max_texts or size + tokens > max_tokens):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += tokens
    if batch:
        yield batch


def _tokens(text: str | Pictured) -> int:
    if isinstance(text, Pictured):
        return PICTURE_TOKENS + _tokens(text.text)
    return _TOKENS_PER_ESTIMATED * estimate_tokens(text)


def vectors_of_rows(answer: Any, count: int) -> list[Sequence[float]]:
    """Return the vectors of OpenAI's and Voyage's form, in the order of their indices. Raises ValueError."""
    try:
        found = {int(row["index"]): floats(row["embedding"]) for row in answer["data"]}
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ValueError("something that is not a list of embeddings") from None
    if sorted(found) != list(range(count)) or len(answer["data"]) != count:
        raise ValueError(f"{len(found)} embeddings for {count} texts")
    return [found[index] for index in range(count)]


def floats(embedding: str | list[float]) -> Sequence[float]:
    """Return a vector from base64 of little-endian float32, or from a list, which some servers send anyway."""
    if isinstance(embedding, list):
        return array("d", embedding)
    values = array("f")
    values.frombytes(b64decode(embedding, validate=True))
    if sys.byteorder == "big":
        values.byteswap()
    return values
