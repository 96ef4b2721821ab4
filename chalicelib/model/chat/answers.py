"""Answers of the chat model: drafts, and checked answers with their citations."""

from collections.abc import Collection

from msgspec import Struct
from msgspec.structs import replace

MAX_SENTENCES = 24
MAX_SENTENCE_CHARS = 2_000
MAX_CITATIONS = 5  # of one sentence


class Claimed(Struct, frozen=True, kw_only=True):
    """A quote as the model gives it, not yet checked. `passage` is the passage's number, from 1."""

    passage: int
    quote: str


class Sentence(Struct, frozen=True, kw_only=True):
    text: str
    citations: tuple[Claimed, ...]


class Draft(Struct, frozen=True, kw_only=True):
    """An answer before it is checked."""

    sentences: tuple[Sentence, ...]


class Rewritten(Struct, frozen=True, kw_only=True):
    question: str


class Citation(Struct, frozen=True, kw_only=True):
    """A quote that was found in an item: `quote` is the page's stored text from `page_start` to `page_end`.

    `answer_start` and `answer_end` are the offsets of the sentence that the quote supports.
    """

    item_id: str
    item_sha256: str | None
    item_name: str
    source: str
    page: int
    quote: str
    page_start: int
    page_end: int
    answer_start: int
    answer_end: int


class Checked(Struct, frozen=True, kw_only=True):
    """An answer made of the sentences that passed the check. `dropped` counts the sentences that failed it."""

    content: str
    citations: tuple[Citation, ...]
    dropped: int


def without(checked: Checked, spans: Collection[tuple[int, int]]) -> Checked:
    """Return the answer without the sentences at these places, which count as dropped."""
    content, kept = "", list[Citation]()
    places: dict[tuple[int, int], list[Citation]] = {}
    for each in checked.citations:
        places.setdefault((each.answer_start, each.answer_end), []).append(each)
    for span, citations in places.items():
        if span in spans:
            continue
        content += (" " if content else "") + checked.content[slice(*span)]
        start = len(content) - (span[1] - span[0])
        kept += [replace(each, answer_start=start, answer_end=len(content)) for each in citations]
    return Checked(content=content, citations=tuple(kept), dropped=checked.dropped + len(spans))


def as_places(checked: Checked, content: str) -> Checked:
    """Return the quotes as places to look at, all below `content`, instead of an answer."""
    found = (replace(each, answer_start=0, answer_end=len(content)) for each in checked.citations)
    return Checked(content=content, citations=tuple(found), dropped=checked.dropped)
