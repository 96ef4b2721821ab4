"""Cuts text into chunks of about 128 model tokens: the unit that is indexed, found and cited."""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from chalicelib.model.ingest.files import Page

MAX_TOKENS = 128

# Linear on hostile input: each alternative starts at most once in a run, and possessive
# quantifiers (++) never give characters back.
_SENTENCE_END = re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][\"'”’)\]]))\s++|[。！？]++[」』）]*+|\n\s*\n")
_WORD = re.compile(r"\S++")
_PIECE = re.compile(r"[A-Za-z\u00c0-\u024f]{1,7}|[0-9]{1,3}|\S")


class StoredChunk(Struct, frozen=True, kw_only=True):
    """A piece of a page's text, at these character offsets in it. `source` says where the text comes from."""

    id: int
    source: Literal["text", "caption", "ocr"]
    page: int
    char_start: int
    char_end: int
    text: str


class ChunkDraft(Struct, frozen=True, kw_only=True):
    """A chunk before it is stored; page.text[char_start:char_end] == text, never blank at its ends."""

    ordinal: int
    page: int
    char_start: int
    char_end: int
    text: str


def chunk_pages(
    pages: Sequence[Page], *, first_ordinal: int = 0, max_tokens: int = MAX_TOKENS
) -> list[ChunkDraft]:
    """Chunks of all pages in reading order; none crosses a page, blank pages have none."""
    spans = ((page, *span) for page in pages for span in chunk_text(page.text, max_tokens=max_tokens))
    return [
        ChunkDraft(
            ordinal=ordinal, page=page.number, char_start=start, char_end=end, text=page.text[start:end]
        )
        for ordinal, (page, start, end) in enumerate(spans, start=first_ordinal)
    ]


def chunk_text(text: str, *, max_tokens: int = MAX_TOKENS) -> list[tuple[int, int]]:
    """(start, end) of each chunk: whole sentences while they fit, no overlap, every character that shows."""
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
    """About how many WordPiece tokens `text` has, without the tokenizer."""
    return len(_PIECE.findall(text))


def _units(text: str, max_tokens: int) -> Iterator[tuple[int, int, int]]:
    """(start, end, tokens) of sentences; of the words of one too long; of slices of a word too long."""
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
    """estimate_tokens, but a text of megabytes is called too long unread."""
    length = end - start
    return length if length == 1 or length > 16 * max_tokens else estimate_tokens(text[start:end])


def sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each sentence that shows, none blank at its ends."""
    start = 0
    for match in _SENTENCE_END.finditer(text):
        yield from _stripped(text, start, match.end())
        start = match.end()
    yield from _stripped(text, start, len(text))


def _stripped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    piece = text[start:end]
    shown = piece.strip()
    if shown:
        start += len(piece) - len(piece.lstrip())
        yield start, start + len(shown)
