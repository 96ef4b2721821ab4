"""Cuts the part of a passage that is shown in a hit, with the positions of the query's words in it."""

from collections.abc import Collection
from itertools import groupby

from msgspec import Struct

# Private-use characters that Postgres puts around each match.
START, STOP = "\ue000", "\ue001"
SNIPPET_CHARS = 320


class Snippet(Struct, frozen=True, kw_only=True):
    """A part of a passage. `highlights` are (start, end) offsets into `text`."""

    text: str
    highlights: tuple[tuple[int, int], ...]


def cut_snippet(marked: str, *, max_chars: int = SNIPPET_CHARS) -> Snippet:
    """Return the window of about `max_chars` with most matches, cut at words; the beginning if nothing matches."""
    text, spans = _unmark(marked)
    if len(text) <= max_chars:
        return Snippet(text=text, highlights=tuple(spans))
    first = max(spans, key=lambda span: _matches_from(spans, span[0], max_chars), default=(0, 0))[0]
    start = _word_start(text, max(0, min(first - max_chars // 8, len(text) - max_chars)))
    end = _word_end(text, start + max_chars)
    inside = tuple((a - start, b - start) for a, b in spans if start <= a and b <= end)
    return Snippet(text=text[start:end], highlights=inside)


def mark_ngrams(marked: str, ngrams: Collection[str]) -> str:
    """Return the text with these runs of characters marked as well.

    They are used for text without spaces, which is one word to Postgres.
    """
    sizes = {len(ngram) for ngram in ngrams}
    found = ((at, size) for size in sizes for at in range(len(marked)) if marked[at : at + size] in ngrams)
    inside = {place for at, size in found for place in range(at, at + size)}
    parts = []
    for is_inside, places in groupby(range(len(marked)), key=inside.__contains__):
        part = "".join(marked[n] for n in places)
        parts.append(f"{START}{part}{STOP}" if is_inside else part)
    return "".join(parts)


def _unmark(marked: str) -> tuple[str, list[tuple[int, int]]]:
    parts: list[str] = []
    spans: list[tuple[int, int]] = []
    length, opened = 0, None
    for piece in marked.replace(STOP, f"{START}{STOP}").split(START):
        if piece.startswith(STOP):
            if opened is not None and length > opened:
                spans.append((opened, length))
            opened, piece = None, piece[1:]
        elif parts:
            opened = length
        parts.append(piece)
        length += len(piece)
    return "".join(parts), spans


def _matches_from(spans: list[tuple[int, int]], start: int, width: int) -> tuple[int, int]:
    """Return the sort key of a window that begins at `start`: the number of its matches, then earlier first."""
    return sum(start <= a and b <= start + width for a, b in spans), -start


def _word_start(text: str, at: int) -> int:
    space = text.rfind(" ", max(0, at - 40), at) if at else -1
    return space + 1 if space >= 0 else at


def _word_end(text: str, at: int) -> int:
    if at >= len(text):
        return len(text)
    space = text.rfind(" ", at - 40, at)
    return space if space >= 0 else at
