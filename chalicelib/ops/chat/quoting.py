"""Answer a question with sentences of the items, without a chat model."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.model.chat.answers import Claimed, Draft, Sentence
from chalicelib.model.chat.citations import proves_something
from chalicelib.model.chat.extraction import (
    MAX_SENTENCES,
    Candidate,
    Certainty,
    choose,
    cut,
    fitting,
    is_quotable,
    possible_abroad,
    score_words,
    with_headings,
)
from chalicelib.model.chat.kinds import is_abstract, is_listing, kind_of
from chalicelib.model.chat.pages import NEIGHBOURS, Part, Whole, read_page, repeated
from chalicelib.model.chat.questions import content_words, words_of
from chalicelib.model.ingest.sentences import is_ended
from chalicelib.model.library.page_text import join_chunks
from chalicelib.model.search.ranking import nearness
from chalicelib.ops.search.passages import Passage, Passages
from chalicelib.stores.chat import citations
from chalicelib.stores.chat.citations import PagePart, Window

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

REACH_CHARS = 1_500  # around a passage a sentence may begin or end
CONTEXT_CHARS = 200  # in front of a sentence, whose words count half as much as its own
FIRST_PAGES = 8  # of an item that a question asks about as a whole


class Quoted(Struct, frozen=True, kw_only=True):
    """A draft with the texts of its quotes. `certainty` tells how sure it is that the draft answers the question."""

    draft: Draft
    sources: tuple[Passage, ...]
    certainty: Certainty


class _Read(Struct, frozen=True, kw_only=True):
    """A sentence with the passage that it is from, and that passage's page as far as it was read."""

    whole: Whole
    passage: Passage
    around: Part


def quote_items(
    question: str,
    searched: str,
    found: Passages,
    *,
    user_id: str,
    db: "Database",
) -> Quoted:
    """Return the best sentences of the passages; each quotes itself."""
    whole_item = _asked_as_a_whole(question, found.passages)
    if whole_item:
        wholes = _beginning(_read(whole_item, user_id, db=db))
        if wholes:
            return _quoted(wholes, "sure")
    read = [each for each in _read(found.passages, user_id, db=db) if _is_quotable(each.whole)]
    candidates = _candidates(read, found.model, searched)
    scores = score_words(question, searched, candidates)
    choice = choose(candidates, scores, without_vectors=found.model is None)
    if choice.certainty == "none" and (abroad := possible_abroad(question, candidates)):
        return _quoted([read[n] for n in abroad], "possible")
    positions = fitting(question, candidates, choice.positions)
    return _quoted([read[n] for n in positions], choice.certainty)


def _read(passages: Sequence[Passage], user_id: str, *, db: "Database") -> list[_Read]:
    """Return the sentences of the passages, each once."""
    windows = [
        Window(
            item_id=each.item_id,
            page=each.page,
            source=each.source,
            start=each.char_start - REACH_CHARS,
            end=each.char_end + REACH_CHARS,
        )
        for each in passages
    ]
    parts = db.transact(
        user_id, lambda tx: citations.list_page_parts(tx, user_id, windows, neighbours=NEIGHBOURS)
    )
    found: dict[tuple[object, ...], _Read] = {}
    for position, near in groupby(parts, key=lambda part: part.position):
        passage = passages[position - 1]
        chunks = list(near)
        own = [chunk for chunk in chunks if chunk.page == passage.page]
        if not own:  # the item has no such page, or was deleted since
            continue
        around = _around(passage, own)
        for whole in read_page(around, _edges(chunks)):
            if _overlaps(whole, passage):
                found.setdefault(
                    (passage.item_id, *whole.parts), _Read(whole=whole, passage=passage, around=around)
                )
    return list(found.values())


def _around(passage: Passage, chunks: Sequence[PagePart]) -> Part:
    """Return the text of the passage's page around it."""
    reach = [
        chunk
        for chunk in chunks
        if chunk.char_end > passage.char_start - REACH_CHARS
        and chunk.char_start < passage.char_end + REACH_CHARS
    ]
    start = reach[0].char_start
    text = join_chunks((chunk.char_start - start, chunk.text) for chunk in reach)
    return Part(page=passage.page, start=start, text=text)


def _edges(chunks: Sequence[PagePart]) -> dict[int, tuple[Part, Part]]:
    first = {chunk.page: _part(chunk) for chunk in chunks if chunk.is_first}
    last = {chunk.page: _part(chunk) for chunk in chunks if chunk.is_last}
    return {page: (first[page], last[page]) for page in first}


def _part(chunk: PagePart) -> Part:
    return Part(page=chunk.page, start=chunk.char_start, text=chunk.text)


def _overlaps(whole: Whole, passage: Passage) -> bool:
    return any(
        part.page == passage.page
        and part.start < passage.char_end
        and part.start + len(part.text) > passage.char_start
        for part in whole.parts
    )


def _is_quotable(whole: Whole) -> bool:
    if whole.is_line:
        return proves_something(whole.text)
    return is_quotable(whole.text) and all(proves_something(part.text) for part in whole.parts)


def _candidates(read: Sequence[_Read], model: str | None, searched: str) -> list[Candidate]:
    boilerplate = repeated([each.whole.text for each in read])
    return [
        Candidate(
            text=each.whole.text,
            heads="\n".join(part.text for part in each.whole.heads),
            before=_before(each),
            meaning=_meaning(each.passage, model, searched),
            coverage=each.passage.coverage,
            is_line=each.whole.is_line,
            is_listing=is_listing(each.whole.text),
            is_repeated=is_repeated,
        )
        for each, is_repeated in zip(read, boilerplate, strict=True)
    ]


def _before(each: _Read) -> str:
    """Return the end of what stands above the sentence on its page: a heading, or what it goes on from."""
    at = each.whole.parts[0].start - each.around.start
    return each.around.text[max(0, at - CONTEXT_CHARS) : max(0, at)]


def _meaning(passage: Passage, model: str | None, searched: str) -> float | None:
    if passage.semantic_score is None:
        return None
    return nearness(passage.semantic_score, passage.coverage or 0.0, model, searched)


def _asked_as_a_whole(question: str, passages: Sequence[Passage]) -> list[Passage]:
    """Return the first pages of the item that the question asks about as a whole, best named by it; else nothing."""
    if kind_of(question) != "contents" or not passages:
        return []
    wanted = set(content_words(question))
    named = max(passages, key=lambda each: len(wanted & _name_words(each)))
    if not wanted & _name_words(named) and len({each.item_id for each in passages}) > 1:
        return []
    return [
        replace(named, page=page, char_start=0, char_end=REACH_CHARS) for page in range(1, FIRST_PAGES + 1)
    ]


def _name_words(passage: Passage) -> set[str]:
    return set(words_of(" ".join(passage.name.rsplit(".", 1)[0].replace("_", "-").split("-"))))


def _beginning(read: Sequence[_Read]) -> list[_Read]:
    """Return at most MAX_SENTENCES of an item's abstract, or its first one and the first ones below its headings.

    Lines without an end mark, as a letterhead has them, are taken only where nothing else is.
    """
    quotable = [each for each in read if _is_quotable(each.whole) and not is_listing(each.whole.text)]
    quotable = [each for each in quotable if is_ended(each.whole.text)] or quotable
    for n, each in enumerate(quotable):
        if is_abstract(each.whole.text):
            return quotable[n : n + MAX_SENTENCES]
    headed = [each for each in quotable[1:] if _said(each) != each.whole.text]
    return (quotable[:1] + (headed or quotable[1:]))[:MAX_SENTENCES]


def _quoted(read: Sequence[_Read], certainty: Certainty) -> Quoted:
    """Return the sentences as a draft whose quotes are counted as passages: one for each place."""
    sources, sentences, heads = list[Passage](), list[Sentence](), tuple[Part, ...]()
    for each in read:
        claims = []
        above, heads = () if heads == each.whole.heads else _provable(each.whole.heads), each.whole.heads
        for part in (*above, *each.whole.parts):
            text = cut(part.text)
            end = part.start + len(text)
            sources.append(
                replace(each.passage, page=part.page, char_start=part.start, char_end=end, text=text)
            )
            claims.append(Claimed(passage=len(sources), quote=text))
        sentences.append(Sentence(text=_said(each, above), citations=tuple(claims)))
    return Quoted(draft=Draft(sentences=tuple(sentences)), sources=tuple(sources), certainty=certainty)


def _provable(parts: Sequence[Part]) -> Sequence[Part]:
    return parts if all(proves_something(part.text) for part in parts) else ()


def _said(each: _Read, above: Sequence[Part] = ()) -> str:
    """Return the sentence as the answer shows it: with its heading, or with the lines `above` of its table."""
    if each.whole.is_line:
        heads = [line.rstrip(": ") for part in above for line in part.text.split("\n")]
        return ": ".join([*heads, cut(each.whole.text)])
    text = cut(each.whole.text)
    return with_headings(text, each.around.text, begins_page=each.around.start == 0)
