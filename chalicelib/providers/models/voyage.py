"""Gets vectors from Voyage: /embeddings, and /multimodalembeddings for texts and pictures in one space.

Queries and documents are embedded differently, into one space too.
"""

from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any

from chalicelib.providers import Pictured, Purpose, Spend
from chalicelib.providers.models.embedder import MAX_ANSWER_BYTES, EmbeddingApi, vectors_of_rows
from chalicelib.providers.models.pictures import fit_picture
from chalicelib.providers.models.provider_http import JsonApi

VOYAGE_URL = "https://api.voyageai.com/v1"
_MAX_PX, _MAX_PIXELS = 2_000, 2_000_000  # Voyage shrinks what has more pixels


class VoyageEmbeddings(EmbeddingApi):
    """`base_url` ends before /embeddings."""

    provider = "voyage"
    _path = "/embeddings"
    max_texts, max_tokens = 1000, 120_000  # the least that one of its models takes

    def __init__(
        self,
        *,
        base_url: str = VOYAGE_URL,
        api_key: str,
        model: str,
        dimensions: int,
        on_key_refused: Callable[[], None] = lambda: None,
    ) -> None:
        self.model = model
        self._dimensions = dimensions
        self._api = JsonApi(
            name="Voyage",
            base_url=base_url,
            api_key=api_key,
            max_answer_bytes=MAX_ANSWER_BYTES,
            on_key_refused=on_key_refused,
        )

    def fetch(
        self, texts: Sequence[Any], *, purpose: Purpose, timeout_s: float, spend: Spend | None
    ) -> list[Sequence[float]]:
        """Make one call. A text longer than the model's context is cut by Voyage."""
        payload = {
            **self._inputs(texts),
            "model": self.model,
            "input_type": purpose,
            "truncation": True,
            "output_dimension": self._dimensions,
            "encoding_format": "base64",
        }
        answer = self._api.post(self._path, payload, timeout_s=timeout_s).body
        try:
            vectors = vectors_of_rows(answer, len(texts))
            usage = answer.get("usage") or {}
            used = self.usage(**self._counts(usage))
        except AttributeError:
            raise self._api.unusable("something that is not a list of embeddings") from None
        except ValueError as error:
            raise self._api.unusable(str(error)) from None
        if spend:
            spend(used)
        return vectors

    def _inputs(self, texts: Sequence[Any]) -> dict[str, Any]:
        return {"input": list(texts)}

    def _counts(self, usage: dict[str, Any]) -> dict[str, Any]:
        return {"input_tokens": usage.get("total_tokens")}


class VoyageMultimodal(VoyageEmbeddings):
    """voyage-multimodal-3.5: a picture is found by what it shows."""

    _path = "/multimodalembeddings"
    sees_pictures = True

    def _inputs(self, texts: Sequence[Any]) -> dict[str, Any]:
        return {"inputs": [{"content": _content(text)} for text in texts]}

    def _counts(self, usage: dict[str, Any]) -> dict[str, Any]:
        """Voyage's total counts pictures as tokens, but it charges for their pixels."""
        return {"input_tokens": usage.get("text_tokens"), "pixels": usage.get("image_pixels")}


def _content(text: str | Pictured) -> list[dict[str, str]]:
    if isinstance(text, str):
        return [{"type": "text", "text": text}]
    jpeg = fit_picture(text.jpeg, max_px=_MAX_PX, max_pixels=_MAX_PIXELS)
    url = f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"
    written = _content(text.text) if text.text else []
    return [*written, {"type": "image_base64", "image_base64": url}]
