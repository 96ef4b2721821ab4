"""Restores a page's text from its chunks, and finds a part of it among the page's printed characters."""

from collections.abc import Iterable


def join_chunks(chunks: Iterable[tuple[int, str]]) -> str:
    """Return the text of one source of a page, from the (char_start, text) of its chunks. All offsets stay valid.

    Between two chunks there was only white space. A gap of one character becomes a space, a longer one new lines.
    """
    text = ""
    for start, part in sorted(chunks):
        gap = start - len(text)
        text += (" " if gap == 1 else "\n" * gap) + part
    return text


def shown_span(text: str, start: int, end: int) -> tuple[int, int]:
    """Return (start, end) of text[start:end], counted in the text's characters that are not white space."""
    before = len("".join(text[:start].split()))
    return before, before + len("".join(text[start:end].split()))
