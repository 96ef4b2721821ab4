"""The models with a meter: each does what its Protocol says, and its calls are reserved, counted and written down.

The most that a call may use is estimated from what is sent: twice the estimated tokens, as tokenizers differ.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from chalicelib.model import prompts
from chalicelib.model.ingest.chunking import estimate_tokens
from chalicelib.model.usage.usage import Operation, Usage
from chalicelib.ops.usage.meter import Meter
from chalicelib.providers import (
    Analysis,
    AnalysisRequest,
    Analyzer,
    Asked,
    ChatAnswer,
    ChatModel,
    Embedder,
    Pictured,
    Purpose,
    Reranker,
    Spend,
)

TOKENS_PER_ESTIMATED = 2
PICTURE_TOKENS, PICTURE_PIXELS = 5_000, 2_000_000  # more than any provider counts for one
PROMPT_TOKENS = 1_000  # of the app's own words, and the schema
THINKING_TOKENS = 8_192  # the room that the clients give to models that think, which counts as output
# What is asked of analyzers, besides the item: other words are another request.
ANALYZING = (prompts.ANALYZING_IMAGE, prompts.ANALYZING_DOCUMENT, prompts.ANALYSIS)
READING = (prompts.READING_PAGE, prompts.PAGE)
ANALYSIS_TOKENS = 16_384  # the longest answer that the analyzer is asked for


class MeteredAnalyzer:
    def __init__(self, analyzer: Analyzer, meter: Meter) -> None:
        self.asked = analyzer.asked
        self._analyzer, self._meter = analyzer, meter

    def analyze(self, request: AnalysisRequest, *, timeout_s: float, spend: Spend | None = None) -> Analysis:
        """Describe one item; see Analyzer. The same request again gets the same analysis, which says so."""
        memory, asked = self._meter.memory, (ANALYZING, request)
        if known := memory.recall(self.asked, asked):
            return replace(msgspec.convert(known, Analysis), cached=True)
        most = _most(self.asked, prompt=_tokens(request.text) + PICTURE_TOKENS, answer=ANALYSIS_TOKENS)
        with self._meter.counting("analyze", most, spend) as count:
            analysis = self._analyzer.analyze(request, timeout_s=timeout_s, spend=count)
        memory.remember(self.asked, asked, analysis)
        return analysis

    def read_page(self, page_jpeg: bytes, *, timeout_s: float, spend: Spend | None = None) -> str:
        """Return the text on a page; see Analyzer. The same picture again is not sent again."""
        memory, asked = self._meter.memory, (READING, page_jpeg)
        if known := memory.recall(self.asked, asked):
            return str(known["text"])
        most = _most(self.asked, prompt=PICTURE_TOKENS, answer=ANALYSIS_TOKENS)
        with self._meter.counting("read_page", most, spend) as count:
            text = self._analyzer.read_page(page_jpeg, timeout_s=timeout_s, spend=count)
        memory.remember(self.asked, asked, {"text": text})
        return text


class MeteredEmbedder:
    def __init__(self, embedder: Embedder, meter: Meter) -> None:
        self.model, self.dimensions = embedder.model, embedder.dimensions
        self.sees_pictures, self.asked = embedder.sees_pictures, embedder.asked
        self.next: Embedder | None = MeteredEmbedder(embedder.next, meter) if embedder.next else None
        pictures = embedder.pictures
        self.pictures: Embedder | None = MeteredEmbedder(pictures, meter) if pictures else None
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
        with self._meter.counting("embed", self._most(texts), spend) as count:
            return self._embedder.embed(texts, purpose=purpose, timeout_s=timeout_s, spend=count)

    def _most(self, texts: Sequence[str | Pictured]) -> list[Usage]:
        written = sum(_tokens(text if isinstance(text, str) else text.text) for text in texts)
        pictures = sum(isinstance(text, Pictured) for text in texts)
        used = {"input_tokens": written, "pictures": pictures, "pixels": PICTURE_PIXELS * pictures}
        return [replace(asked, **used) for asked in self.asked]


class MeteredChat:
    """`operation` is what the ledger calls the model's answers."""

    def __init__(self, chat: ChatModel, meter: Meter, operation: Operation = "chat") -> None:
        self.provider, self.model, self.asked = chat.provider, chat.model, chat.asked
        self._chat, self._meter, self._operation = chat, meter, operation

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
        most = _most(self.asked, prompt=_tokens(prompt), answer=max_tokens)
        with self._meter.counting(self._operation, most, spend) as count:
            return self._chat.complete(system, prompt, **given, spend=count)


class MeteredReranker:
    def __init__(self, reranker: Reranker, meter: Meter) -> None:
        self.asked = reranker.asked
        self._reranker, self._meter = reranker, meter

    def rerank(
        self, query: str, documents: Sequence[str], *, timeout_s: float, spend: Spend | None = None
    ) -> list[float]:
        """Return a score for each document; see Reranker."""
        sent = _tokens(query) * len(documents) + sum(map(_tokens, documents))  # as Voyage counts them
        most = [replace(asked, input_tokens=sent) for asked in self.asked]
        with self._meter.counting("rerank", most, spend) as count:
            return self._reranker.rerank(query, documents, timeout_s=timeout_s, spend=count)


def require_room(chat: ChatModel, meter: Meter, *, prompt_tokens: int, max_tokens: int) -> None:
    """Raise BudgetSpent unless the budgets have room now for an answer to such a prompt."""
    meter.require_room(_most(chat.asked, prompt=prompt_tokens, answer=max_tokens))


def _tokens(text: str) -> int:
    return TOKENS_PER_ESTIMATED * estimate_tokens(text)


def _most(asked: Asked, *, prompt: int, answer: int) -> list[Usage]:
    """Return the largest usage of a call: so many tokens of the prompt and of the answer."""
    used = {"input_tokens": PROMPT_TOKENS + prompt, "output_tokens": answer + THINKING_TOKENS}
    return [replace(each, **used) for each in asked]
