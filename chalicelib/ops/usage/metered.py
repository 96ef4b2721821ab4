"""The models with a meter: each does what its Protocol says, and its calls are written to the ledger."""

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.ops.usage.meter import Meter
from chalicelib.providers import (
    Analysis,
    AnalysisRequest,
    Analyzer,
    ChatAnswer,
    ChatModel,
    Embedder,
    Pictured,
    Purpose,
    Reranker,
    Spend,
)


class MeteredAnalyzer:
    def __init__(self, analyzer: Analyzer, meter: Meter) -> None:
        self._analyzer, self._meter = analyzer, meter

    def analyze(self, request: AnalysisRequest, *, timeout_s: float, spend: Spend | None = None) -> Analysis:
        """Describe one item; see Analyzer."""
        with self._meter.counting("analyze", spend) as count:
            return self._analyzer.analyze(request, timeout_s=timeout_s, spend=count)

    def read_page(self, page_jpeg: bytes, *, timeout_s: float, spend: Spend | None = None) -> str:
        """Return the text on a page; see Analyzer."""
        with self._meter.counting("read_page", spend) as count:
            return self._analyzer.read_page(page_jpeg, timeout_s=timeout_s, spend=count)


class MeteredEmbedder:
    def __init__(self, embedder: Embedder, meter: Meter) -> None:
        self.model, self.dimensions = embedder.model, embedder.dimensions
        self.sees_pictures = embedder.sees_pictures
        self._embedder, self._meter = embedder, meter

    def embed(
        self,
        texts: Sequence[str | Pictured],
        *,
        purpose: Purpose = "document",
        timeout_s: float,
        spend: Spend | None = None,
    ) -> list[list[float]]:
        """Return a vector for each text; see Embedder."""
        with self._meter.counting("embed", spend) as count:
            return self._embedder.embed(texts, purpose=purpose, timeout_s=timeout_s, spend=count)


class MeteredChat:
    def __init__(self, chat: ChatModel, meter: Meter) -> None:
        self.provider, self.model = chat.provider, chat.model
        self._chat, self._meter = chat, meter

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
        """Return an answer in JSON to a prompt; see ChatModel."""
        given: dict[str, Any] = {"schema": schema, "max_tokens": max_tokens, "timeout_s": timeout_s}
        with self._meter.counting("chat", spend) as count:
            return self._chat.complete(system, prompt, **given, spend=count)


class MeteredReranker:
    def __init__(self, reranker: Reranker, meter: Meter) -> None:
        self._reranker, self._meter = reranker, meter

    def rerank(
        self, query: str, documents: Sequence[str], *, timeout_s: float, spend: Spend | None = None
    ) -> list[float]:
        """Return a score for each document; see Reranker."""
        with self._meter.counting("rerank", spend) as count:
            return self._reranker.rerank(query, documents, timeout_s=timeout_s, spend=count)
