"""Describes a document with its own sentences and words."""

import re
from collections.abc import Iterator

import numpy as np

from chalicelib.providers import Analysis, AnalysisRequest
from local.models import minilm
from local.models.text_models import TextModel
from local.models.words import Words, detect_language

_MAX_SENTENCES = 80
_KINDS = {
    "invoice": r"\binvoice (no|number|date)\b|\brechnungsnummer\b|\bamount due\b",
    "policy": r"\bpolicy\b.*\b(applies|in force|employees)\b",
    "contract": r"\bthis agreement\b|\bhereinafter\b|\bthe parties\b",
    "paper": r"\babstract\b.*\b(introduction|references|doi)\b",
    "letter": r"\bdear (mr|ms|mrs|dr|sir|madam)\b|\bsehr geehrte",
    "guide": r"\b(guide|manual|handbook|how to|instructions)\b",
}


class DocumentAnalyzer:
    def __init__(self, *, embedder: TextModel, words: Words) -> None:
        self._embedder, self._words = embedder, words

    def analyze(self, request: AnalysisRequest) -> Analysis:
        """Return the analysis. Its summary is the three sentences whose vectors are nearest to the mean of all."""
        text = request.text
        sentences = split_sentences(text)
        return Analysis(
            category=categorize(text),
            summary=self._summary(sentences) if sentences else "A document without text that can be read.",
            labels=tuple(dict.fromkeys([categorize(text), *self._words.keywords(text, limit=12)])),
            text_in_image="",
            language=detect_language(text) or request.language_hint,
            provider="local",
            model=minilm.MODEL,
        )

    def _summary(self, sentences: list[str]) -> str:
        vectors = self._embedder.encode(sentences, purpose="document")
        closeness = vectors @ vectors.mean(axis=0)
        # The beginning often tells what a text is about, so the first sentences get a small bonus.
        closeness += 0.1 * np.exp(-np.arange(len(sentences)) / 5)
        chosen = sorted(closeness.argsort()[::-1][:3].tolist())
        return " ".join(sentences[index] for index in chosen)


def split_sentences(text: str) -> list[str]:
    """Return up to 80 sentences of 40 to 400 characters, in order, without headings and table rows."""
    sentences = []
    for paragraph in _paragraphs(text):
        pieces = (piece.strip() for piece in re.split(r"(?<=[.!?。])\s+", paragraph))
        sentences += [piece for piece in pieces if 40 <= len(piece) <= 400 and piece[-1] in ".!?。"]
    return sentences[:_MAX_SENTENCES]


def _paragraphs(text: str) -> Iterator[str]:
    """Yield paragraphs. Lines are joined if a sentence goes on: after a long line, or before a small letter."""
    paragraph, last = "", ""
    for line in (line.strip() for line in re.split(r"[\n\r\f]+", text)):
        runs_on = last[-1:] not in (".", "!", "?", ":") and (len(last) >= 60 or line[:1].islower())
        if not runs_on:
            yield paragraph
            paragraph = ""
        paragraph, last = f"{paragraph} {line}".strip(), line
    yield paragraph


def categorize(text: str) -> str:
    """Return invoice, policy, contract, paper, letter, guide or document, by typical words near the start."""
    start = text[:3000]
    for category, pattern in _KINDS.items():
        if re.search(pattern, start, re.IGNORECASE | re.DOTALL):
            return category
    return "document"
