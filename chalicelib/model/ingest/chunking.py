"""Cuts text into chunks of about 128 model tokens. A chunk is the unit that is indexed, found and cited."""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from chalicelib.model.ingest.files import Page
from chalicelib.model.ingest.sentences import sentence_spans

MAX_TOKENS = 128
_WORD = re.compile(r"\S++")
# Words of other alphabets (Cyrillic, Arabic, Devanagari, ...) come before Chinese, Japanese and Korean characters and
# signs, which are a token each.
_PIECE = re.compile(r"[A-Za-z\u00c0-\u024f]{1,7}|[0-9]{1,3}|[\u0370-\u0fff\u10a0-\u10ff]{1,3}|\S")
_SHORT_PIECE = re.compile(r"[A-Za-z\u00c0-\u024f]{1,5}|[0-9]{1,2}|[\u0370-\u0fff\u10a0-\u10ff]{1,4}|\S")
_TOKENS_PER_SHORT_PIECE = 1.08


class StoredChunk(Struct, frozen=True, kw_only=True):
    """A stored chunk: the page's text from `char_start` to `char_end`, in characters.

    `source` says where the text comes from.
    """

    id: int
    source: Literal["text", "caption", "ocr"]
    page: int
    char_start: int
    char_end: int
    text: str


class ChunkDraft(Struct, frozen=True, kw_only=True):
    """A chunk before it is stored; page.text[char_start:char_end] == text. It has no white space at its ends."""

    ordinal: int
    page: int
    char_start: int
    char_end: int
    text: str


def chunk_pages(
    pages: Sequence[Page], *, first_ordinal: int = 0, max_tokens: int = MAX_TOKENS
) -> list[ChunkDraft]:
    """Return the chunks of all pages in reading order. Each lies within one page; a blank page has no chunks."""
    spans = ((page, *span) for page in pages for span in chunk_text(page.text, max_tokens=max_tokens))
    return [
        ChunkDraft(
            ordinal=ordinal, page=page.number, char_start=start, char_end=end, text=page.text[start:end]
        )
        for ordinal, (page, start, end) in enumerate(spans, start=first_ordinal)
    ]


def chunk_text(text: str, *, max_tokens: int = MAX_TOKENS) -> list[tuple[int, int]]:
    """Return (start, end) of each chunk: as many whole sentences as fit into `max_tokens`.

    Chunks do not overlap. Together they have every character of the text that is not white space.
    """
    spans: list[tuple[int, int]] = []
    room = 0
    for start, end, tokens in _units(text, max_tokens):
        if spans and tokens <= room:
            spans[-1] = (spans[-1][0], end)
            room -= tokens
        else:
            spans.append((start, end))
            room = max_tokens - tokens
    return spans


def estimate_tokens(text: str) -> int:
    """Return the approximate number of a model's tokens in `text`, without its tokenizer.

    Of multilingual-e5-small's number, this is 0.9 in English and German, 1.3 in Chinese, 1.4 in Russian.
    """
    return len(_PIECE.findall(text))


def most_tokens(text: str) -> int:
    """Return how many tokens `text` has at most, for what must fit into a number of tokens.

    1,024 of these were at most 991 of multilingual-e5-small's in running text of four languages (docs/search.md). Only
    text of rare names alone, or of no language, can have more.
    """
    return math.ceil(_TOKENS_PER_SHORT_PIECE * len(_SHORT_PIECE.findall(text)))


def _units(text: str, max_tokens: int) -> Iterator[tuple[int, int, int]]:
    """Yield (start, end, tokens) of the pieces to put together: sentences that fit into `max_tokens`.

    A sentence that is too long is split into words, and a word that is too long into slices.
    """
    for start, end in sentence_spans(text):
        tokens = _bounded_estimate(text, start, end, max_tokens)
        if tokens <= max_tokens:
            yield start, end, tokens
            continue
        for word in _WORD.finditer(text, start, end):
            tokens = _bounded_estimate(text, *word.span(), max_tokens)
            if tokens <= max_tokens:
                yield *word.span(), tokens
                continue
            for cut in range(word.start(), word.end(), max_tokens):
                cut_end = min(cut + max_tokens, word.end())
                yield cut, cut_end, cut_end - cut


def _bounded_estimate(text: str, start: int, end: int, max_tokens: int) -> int:
    """Return estimate_tokens of text[start:end], or its length if that alone shows that it is too long.

    A text of megabytes is then not read.
    """
    length = end - start
    return length if length == 1 or length > 16 * max_tokens else estimate_tokens(text[start:end])
