"""Scores from any server that speaks /rerank as Cohere, Jina and Voyage do; vLLM and others follow them."""

import math
from collections.abc import Callable, Sequence

from chalicelib.providers.models.provider_http import JsonApi

_MAX_ANSWER_BYTES = 8 * 1024 * 1024  # some send the documents back


class HttpReranker:
    """`base_url` ends before /rerank, as in https://api.cohere.com/v2."""

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str | None,
        model: str,
        on_key_refused: Callable[[], None] = lambda: None,
    ) -> None:
        self._model = model
        self._api = JsonApi(
            name="The reranker",
            base_url=base_url,
            api_key=api_key,
            max_answer_bytes=_MAX_ANSWER_BYTES,
            on_key_refused=on_key_refused,
        )

    def rerank(self, query: str, documents: Sequence[str], *, timeout_s: float) -> list[float]:
        """One score a document, in order. Unavailable when the answer is not that; see JsonApi."""
        # No top_n, which Voyage calls otherwise: the default everywhere is all of them.
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
