"""Cards of an Anki package as text: markup taken off, gaps of cloze notes, both sides of reversed ones."""

import re
from functools import cache
from html.parser import HTMLParser

from msgspec import Struct

from chalicelib.model.practice.exercises import GAP

MAX_QUESTION_CHARS, MAX_ANSWER_CHARS = 4_000, 2_000
_BREAKS = frozenset(
    ("br", "div", "p", "li", "tr", "hr", "h1", "h2", "h3", "h4", "ul", "ol", "table", "blockquote")
)
_HIDDEN = frozenset(("style", "script", "head", "template"))


class Card(Struct, frozen=True, kw_only=True):
    """A card of a note: `guid` and `ord` are Anki's ids of them."""

    guid: str
    ord: int
    is_cloze: bool
    question: str
    answer: str


class RefusedCard(Struct, frozen=True, kw_only=True):
    """A card that cannot be an exercise, and why."""

    name: str
    code: str
    message: str


class Package(Struct, frozen=True, kw_only=True):
    """The name of the deck that most cards are in, and the cards in Anki's order."""

    name: str
    cards: list[Card]
    refused: list[RefusedCard]


def card_of(guid: str, ord_: int, fields: list[str]) -> Card | RefusedCard:
    """Return a card of the note with these fields in HTML; `ord_` counts its cards from 0."""
    gap = next((each for each in fields if _cloze().search(each)), None)
    if gap is not None:
        question, answer = _cut_gap(gap, ord_ + 1)
    else:
        front, back = (text_of(each) for each in (*fields, "", "")[:2])
        question, answer = (front, back) if ord_ == 0 else (back, front)
    shown = (text_of(fields[0]) if fields else "").partition("\n")[0][:100] or guid[:100] or "note"
    if gap is None and ord_ > 1:
        said = "Notes with more than two cards are not taken, but for cloze notes."
        return RefusedCard(name=shown, code="unknown_note_type", message=said)
    if not question or not answer:
        said = "The card has no text to ask for, or none to answer with; pictures and sounds are not taken."
        return RefusedCard(name=shown, code="no_text", message=said)
    if len(question) > MAX_QUESTION_CHARS or len(answer) > MAX_ANSWER_CHARS:
        said = f"A question may have {MAX_QUESTION_CHARS:,} characters, and an answer {MAX_ANSWER_CHARS:,}."
        return RefusedCard(name=shown, code="too_long", message=said)
    return Card(guid=guid, ord=ord_, is_cloze=gap is not None, question=question, answer=answer)


def text_of(markup: str) -> str:
    """Return the text of HTML, a line for each block, without scripts, styles and Anki's sounds."""
    parser = _Text()
    parser.feed(_sound().sub(" ", markup))
    parser.close()
    lines = (" ".join(line.split()) for line in "".join(parser.parts).split("\n"))
    return "\n".join(filter(None, lines))


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in _HIDDEN
        if tag in _BREAKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in _HIDDEN and self._hidden > 0
        if tag in _BREAKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def _cut_gap(markup: str, number: int) -> tuple[str, str]:
    """Return (text with a gap, what is missing) for one number of a cloze note; the other gaps are filled."""
    answers: list[str] = []

    def fill(found: re.Match[str]) -> str:
        if int(found[1]) != number:
            return found[2]
        answers.append(text_of(found[2]))
        return GAP

    question = text_of(_cloze().sub(fill, markup))
    return question, ", ".join(dict.fromkeys(filter(None, answers)))


@cache
def _cloze() -> re.Pattern[str]:
    return re.compile(
        r"\{\{c(\d{1,3})::((?:(?!\{\{c\d|::|\}\}).){0,4000})(?:::(?:(?!\}\}).){0,1000})?\}\}", re.DOTALL
    )


@cache
def _sound() -> re.Pattern[str]:
    return re.compile(r"\[sound:[^\]]{0,500}\]|\[anki:[^\]]{0,500}\]")
