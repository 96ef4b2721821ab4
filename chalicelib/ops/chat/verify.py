"""Check a draft answer against the stored text.

A sentence stays when its quotes are found there word for word, and when it does not stray from them.
"""

import re
from collections.abc import Iterator, Sequence

from chalicelib.model.chat.answers import (
    MAX_CITATIONS,
    MAX_SENTENCE_CHARS,
    MAX_SENTENCES,
    Checked,
    Citation,
    Claimed,
    Draft,
    Sentence,
)
from chalicelib.model.chat.citations import Source
from chalicelib.model.chat.figures import has_unsupported_facts
from chalicelib.model.chat.grounding import strays
from chalicelib.ops.search.passages import Passage
from chalicelib.stores.chat import citations
from chalicelib.stores.chat.citations import StoredText, Window
from chalicelib.stores.postgres.tx import Tx

REACH_CHARS = 3_000  # quotes may also lie so far before or behind a passage on its page
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Evidence:
    """The stored text around the passages that a model was given."""

    def __init__(self, passages: Sequence[Passage], stored: Sequence[StoredText | None]) -> None:
        self._passages = passages
        self._stored = stored
        self._sources: dict[int, Source] = {}

    def find(self, claimed: Claimed, *, answer_start: int, answer_end: int) -> Citation | None:
        """Return the quote as a citation; None when its passage was not given, or does not contain it."""
        number = claimed.passage - 1
        if not 0 <= number < len(self._passages):
            return None
        passage, stored = self._passages[number], self._stored[number]
        if stored is None:
            return None
        if number not in self._sources:
            self._sources[number] = Source(stored.text)
        span = self._sources[number].find(claimed.quote, near=passage.char_start - stored.start)
        if span is None:
            return None
        return Citation(
            item_id=passage.item_id,
            item_sha256=stored.sha256,
            item_name=passage.name,
            source=passage.source,
            page=passage.page,
            quote=stored.text[slice(*span)],
            page_start=stored.start + span[0],
            page_end=stored.start + span[1],
            answer_start=answer_start,
            answer_end=answer_end,
        )


def read_evidence(tx: Tx, user_id: str, passages: Sequence[Passage]) -> Evidence:
    """Read the stored text of the passages and REACH_CHARS around each."""
    windows = [
        Window(
            item_id=passage.item_id,
            page=passage.page,
            source=passage.source,
            start=passage.char_start - REACH_CHARS,
            end=passage.char_end + REACH_CHARS,
        )
        for passage in passages
    ]
    return Evidence(passages, citations.list_texts(tx, user_id, windows))


def check_draft(draft: Draft, evidence: Evidence, *, question: str) -> Checked:
    """Return the answer without sentences that no found quote bears out, or with a figure or address of their own."""
    content, kept = "", list[Citation]()
    dropped = max(0, len(draft.sentences) - MAX_SENTENCES)
    for sentence in draft.sentences[:MAX_SENTENCES]:
        text = " ".join(_UNSEEN.sub("", " ".join(sentence.text.split())).split())
        start = len(content) + 1 if content else 0
        found = _found(sentence, evidence, start, start + len(text))
        if (
            not text
            or len(text) > MAX_SENTENCE_CHARS
            or not found
            or has_unsupported_facts(text, _known(found, question))
            or strays(text, [each.quote for each in found], known=_known(found, question))
        ):
            dropped += 1
            continue
        content += (" " if content else "") + text
        kept += found
    return Checked(content=content, citations=tuple(kept), dropped=dropped)


def _found(sentence: Sentence, evidence: Evidence, start: int, end: int) -> list[Citation]:
    """Return the citations of the sentence that were found, each place once, from at most MAX_CITATIONS claims."""
    claims = list(dict.fromkeys(sentence.citations))[:MAX_CITATIONS]
    found = (evidence.find(claim, answer_start=start, answer_end=end) for claim in claims)
    return list(dict.fromkeys(citation for citation in found if citation is not None))


def _known(found: Sequence[Citation], question: str) -> Iterator[str]:
    """Yield the texts that a sentence's figures, addresses and names may come from. A page number is none of them."""
    yield question
    for citation in found:
        yield from (citation.quote, citation.item_name)
