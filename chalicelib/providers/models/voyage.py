"""Voyage's /embeddings. Queries and documents are embedded differently, into one space."""

from collections.abc import Sequence

from chalicelib.providers import Purpose, Spend
from chalicelib.providers.models.embedder import MAX_ANSWER_BYTES, EmbeddingApi, vectors_of_rows
from chalicelib.providers.models.provider_http import JsonApi
from chalicelib.providers.models.writing import read_usage

VOYAGE_URL = "https://api.voyageai.com/v1"
DIMENSIONS = (256, 512, 1024, 2048)


class VoyageEmbeddings(EmbeddingApi):
    """`base_url` ends before /embeddings."""

    provider = "voyage"
    max_texts, max_tokens = 1000, 120_000  # the least that one of its models takes

    def __init__(self, *, base_url: str = VOYAGE_URL, api_key: str, model: str, dimensions: int) -> None:
        self.model = model
        self._dimensions = dimensions
        self._api = JsonApi(
            name="Voyage", base_url=base_url, api_key=api_key, max_answer_bytes=MAX_ANSWER_BYTES
        )

    def fetch(
        self, texts: Sequence[str], *, purpose: Purpose, timeout_s: float, spend: Spend | None
    ) -> list[Sequence[float]]:
        """Make one call. A text longer than the model's context is cut by Voyage."""
        payload = {
            "input": list(texts),
            "model": self.model,
            "input_type": purpose,
            "truncation": True,
            "output_dimension": self._dimensions,
            "encoding_format": "base64",
        }
        answer = self._api.post("/embeddings", payload, timeout_s=timeout_s).body
        try:
            vectors = vectors_of_rows(answer, len(texts))
            usage = answer.get("usage") or {}
            used = read_usage(self.provider, self.model, input_=usage.get("total_tokens"))
        except AttributeError:
            raise self._api.unusable("something that is not a list of embeddings") from None
        except ValueError as error:
            raise self._api.unusable(str(error)) from None
        if spend:
            spend(used)
        return vectors
