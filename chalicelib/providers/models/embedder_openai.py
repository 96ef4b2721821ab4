"""Vectors from any server that speaks OpenAI's /embeddings: OpenAI, Ollama, vLLM, the local models."""

import math
import sys
import time
from array import array
from base64 import b64decode
from collections.abc import Callable, Sequence
from typing import Any

from chalicelib.errors import Unavailable
from chalicelib.providers.models.provider_http import JsonApi

_BATCH = 256
_MAX_ANSWER_BYTES = 64 * 1024 * 1024


class OpenAIEmbedder:
    """`base_url` ends before /embeddings, as in https://api.openai.com/v1."""

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str | None,
        model: str,
        dimensions: int,
        on_key_refused: Callable[[], None] = lambda: None,
    ) -> None:
        self.model = model
        self.dimensions = dimensions
        self._api = JsonApi(
            name="The embedding provider",
            base_url=base_url,
            api_key=api_key,
            max_answer_bytes=_MAX_ANSWER_BYTES,
            on_key_refused=on_key_refused,
        )

    def embed(self, texts: Sequence[str], *, timeout_s: float) -> list[list[float]]:
        """One normalised vector a text, in order. Unavailable when the answer is not that; see JsonApi."""
        deadline = time.monotonic() + timeout_s
        vectors = list[list[float]]()
        for start in range(0, len(texts), _BATCH):
            batch = list(texts[start : start + _BATCH])
            payload = {"model": self.model, "input": batch, "encoding_format": "base64"}
            left_s = deadline - time.monotonic()
            vectors += self._vectors(self._api.post("/embeddings", payload, timeout_s=left_s), len(batch))
        return vectors

    def _vectors(self, answer: Any, count: int) -> list[list[float]]:
        try:
            found = {int(row["index"]): _floats(row["embedding"]) for row in answer["data"]}
        except (KeyError, TypeError, ValueError, OverflowError):
            raise self._api.unusable("something that is not a list of embeddings") from None
        if sorted(found) != list(range(count)) or len(answer["data"]) != count:
            raise self._api.unusable(f"{len(found)} embeddings for {count} texts")
        return [self._normalised(found[index]) for index in range(count)]

    def _normalised(self, vector: Sequence[float]) -> list[float]:
        if len(vector) != self.dimensions:
            raise self._wrong(f"{len(vector)} dimensions where {self.dimensions} are configured")
        length = math.sqrt(math.fsum(value * value for value in vector))
        if not math.isfinite(length) or length == 0:
            raise self._wrong("a vector that has no direction")
        return [value / length for value in vector]

    def _wrong(self, what: str) -> Unavailable:
        return self._api.unusable(f"{what} (model {self.model})")


def _floats(embedding: str | list[float]) -> Sequence[float]:
    """A vector from base64 of little-endian float32, or from a list, which some servers send anyway."""
    if isinstance(embedding, list):
        return array("d", embedding)
    values = array("f")
    values.frombytes(b64decode(embedding, validate=True))
    if sys.byteorder == "big":
        values.byteswap()
    return values
