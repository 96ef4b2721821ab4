"""A page's text, put together again from its chunks, and where a part of it stands among what is printed."""

from collections.abc import Iterable


def join_chunks(chunks: Iterable[tuple[int, str]]) -> str:
    """The text of one source of a page from (char_start, text), so that all their offsets hold.

    Only white space was between two chunks: one character of it is a space, more are new lines.
    """
    text = ""
    for start, part in sorted(chunks):
        gap = start - len(text)
        text += (" " if gap == 1 else "\n" * gap) + part
    return text


def shown_span(text: str, start: int, end: int) -> tuple[int, int]:
    """Of text[start:end]: which of the text's characters that are no white space it has, as a slice of these."""
    before = len("".join(text[:start].split()))
    return before, before + len("".join(text[start:end].split()))
