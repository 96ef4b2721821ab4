"""Gets scores from any server that speaks /rerank as Cohere, Jina and Voyage do; vLLM and others follow them."""

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from chalicelib.providers import Spend
from chalicelib.providers.models.attempts import Calls, Providers
from chalicelib.providers.models.model_client import ModelClient
from chalicelib.providers.models.observing import observed_call
from chalicelib.providers.models.provider_http import JsonApi

COHERE_URL = "https://api.cohere.com/v2"
_MAX_ANSWER_BYTES = 8 * 1024 * 1024  # some send the documents back


class RerankApi(ModelClient):
    @abstractmethod
    def fetch(
        self, query: str, documents: Sequence[str], *, timeout_s: float, spend: Spend | None
    ) -> list[float]:
        """Make one call; return a score a document, in order. Raise Unavailable when the answer is not that."""


class HostedReranker:
    def __init__(self, apis: Providers[RerankApi]) -> None:
        self.asked = tuple(each.usage() for each in apis.clients)
        self._apis = apis

    def rerank(
        self, query: str, documents: Sequence[str], *, timeout_s: float, spend: Spend | None = None
    ) -> list[float]:
        """One score a document, in order; see JsonApi.post for what is raised."""

        def fetch(api: RerankApi, calls: Calls) -> list[float]:
            left_s = calls.begin()
            with observed_call("rerank", api.provider, api.model, spend) as call:
                return api.fetch(query, documents, timeout_s=left_s, spend=call.note)

        return self._apis.ask(fetch, timeout_s=timeout_s)


class HttpRerank(RerankApi):
    """`base_url` ends before /rerank, as in https://api.cohere.com/v2."""

    def __init__(
        self,
        *,
        provider: str = "cohere",
        base_url: str,
        api_key: str | None,
        model: str,
        on_key_refused: Callable[[], None] = lambda: None,
    ) -> None:
        self.provider, self.model = provider, model
        self.is_local = api_key is None
        self._api = JsonApi(
            name="The reranker",
            base_url=base_url,
            api_key=api_key,
            max_answer_bytes=_MAX_ANSWER_BYTES,
            on_key_refused=on_key_refused,
        )

    def fetch(
        self, query: str, documents: Sequence[str], *, timeout_s: float, spend: Spend | None
    ) -> list[float]:
        """Make one call. Cohere charges by the search and reports no tokens."""
        # No top_n, which Voyage calls otherwise: the default everywhere is all of them.
        payload = {"model": self.model, "query": query, "documents": list(documents)}
        answer = self._api.post("/rerank", payload, timeout_s=timeout_s).body
        try:
            rows = answer["results"] if "results" in answer else answer["data"]
            scores = scores_of_rows(rows, len(documents))
            usage = answer.get("usage") or {}
            used = self.usage(input_tokens=usage.get("total_tokens"))
        except (LookupError, TypeError, AttributeError):
            raise self._api.unusable("something that is not a list of scores") from None
        except ValueError as error:
            raise self._api.unusable(str(error)) from None
        if spend:
            spend(used)
        return scores


def scores_of_rows(rows: Any, count: int) -> list[float]:
    """Return the scores in the order of their indices. Raises ValueError."""
    try:
        scores = {int(row["index"]): float(row["relevance_score"]) for row in rows}
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ValueError("something that is not a list of scores") from None
    if sorted(scores) != list(range(count)) or not all(map(math.isfinite, scores.values())):
        raise ValueError(f"{len(scores)} scores for {count} documents")
    return [scores[index] for index in range(count)]
