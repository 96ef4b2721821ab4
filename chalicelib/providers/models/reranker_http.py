"""Gets scores from a server with /rerank in the form of Cohere, Jina, Voyage and vLLM."""

import math
from collections.abc import Sequence

from chalicelib.providers.models.provider_http import JsonApi

_MAX_ANSWER_BYTES = 8 * 1024 * 1024  # some servers send the documents back


class HttpReranker:
    """A reranker over HTTP. `base_url` ends before /rerank, as in https://api.cohere.com/v2."""

    def __init__(self, *, base_url: str, api_key: str | None, model: str) -> None:
        self._model = model
        self._api = JsonApi(
            name="The reranker", base_url=base_url, api_key=api_key, max_answer_bytes=_MAX_ANSWER_BYTES
        )

    def rerank(self, query: str, documents: Sequence[str], *, timeout_s: float) -> list[float]:
        """Return a score for each document, in order. Raise Unavailable for any other response; see JsonApi.post."""
        # top_n is left out, as Voyage has another name for it. The default everywhere is all documents.
        payload = {"model": self._model, "query": query, "documents": list(documents)}
        answer = self._api.post("/rerank", payload, timeout_s=timeout_s)
        try:
            rows = answer["results"] if "results" in answer else answer["data"]
            scores = {int(row["index"]): float(row["relevance_score"]) for row in rows}
        except (KeyError, TypeError, ValueError, OverflowError):
            raise self._api.unusable("something that is not a list of scores") from None
        if sorted(scores) != list(range(len(documents))) or not all(map(math.isfinite, scores.values())):
            raise self._api.unusable(f"{len(scores)} scores for {len(documents)} documents")
        return [scores[index] for index in range(len(documents))]
