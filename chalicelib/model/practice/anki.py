"""Anki notes of exercises: their fields in HTML, and ids by which a later export updates them."""

import html
import re
from hashlib import sha256
from urllib.parse import quote
from uuid import UUID

from msgspec import Struct

from chalicelib.model.practice.exercises import GAP, StoredExercise

MAX_NOTES = 2_000
MAX_PICTURES = 500  # of a deck; the notes after that have none
MAX_MEDIA_BYTES = 50_000_000  # they are on a function's disk twice
# Anki finds a note type by its id. Fields and templates of a type that was once exported do not change.
BASIC_ID, CLOZE_ID = 1_764_201_700_001, 1_764_201_700_002
PICTURED = ("image_question",)  # kinds whose picture is part of the question
FIELDS = ("Text", "Answer", "Picture", "Source")


class Picture(Struct, frozen=True, kw_only=True):
    """A picture of what an exercise cites: an image item, or a page with `span` of its text marked.

    `name` is the same for the same picture, and another one when the item's bytes change.
    """

    name: str
    item_id: str
    page: int | None
    span: tuple[int, int] | None


class Note(Struct, frozen=True, kw_only=True):
    """A note to write: its fields are FIELDS, in HTML."""

    guid: str
    is_cloze: bool
    fields: tuple[str, ...]


def deck_number(deck_id: str) -> int:
    """Return Anki's id of the deck: the same for each export of it."""
    return (1 << 30) + UUID(deck_id).int % (1 << 30)


def link_of(exercise: StoredExercise, console_url: str) -> str:
    """Return the console's address that shows where the exercise's quote stands."""
    return f"{console_url}/#/exercises/{quote(exercise.id, safe='')}"


def picture_of(exercise: StoredExercise) -> Picture | None:
    """Return the picture of the place that the exercise cites; None if there is none any more."""
    if exercise.stale or exercise.item_kind is None:
        return None
    is_page = exercise.item_kind == "pdf"
    span = (exercise.page_start, exercise.page_end) if is_page and exercise.source == "text" else None
    page = exercise.page if is_page else None
    what = f"{exercise.item_id} {page} {span} {exercise.quote}"
    name = f"collections-{sha256(what.encode()).hexdigest()[:32]}.jpg"
    return Picture(name=name, item_id=exercise.item_id, page=page, span=span)


def note_of(exercise: StoredExercise, *, picture: str | None, link: str | None) -> Note:
    """Return the note of an exercise. `picture` is the name of a file in the package."""
    image = f'<img src="{picture}">' if picture else ""
    text, answer = as_html(exercise.content), as_html(exercise.answer_key)
    is_cloze = exercise.kind == "cloze" and GAP in exercise.content
    if is_cloze:
        text = text.replace(as_html(GAP), f"{{{{c1::{answer}}}}}")
    if exercise.kind in PICTURED:
        text, image = f"{image}<br>{text}", ""
    where = (
        exercise.item_name if exercise.item_kind != "pdf" else f"{exercise.item_name}, page {exercise.page}"
    )
    source = f"“{as_html(exercise.quote)}” " + (
        f'<a href="{html.escape(link)}">{as_html(where)}</a>' if link else as_html(where)
    )
    return Note(guid=exercise.id, is_cloze=is_cloze, fields=(text, answer, image, source))


def as_html(text: str) -> str:
    """Return the text as HTML that shows just this: no markup, no cloze, no field, no LaTeX, no sound of Anki's."""
    escaped = html.escape(re.sub(r"[\x00-\x08\x0b-\x1f]", " ", text))
    entities = {ord(char): f"&#{ord(char)};" for char in "{}[]\\"}
    return escaped.translate(entities).replace("\n", "<br>")
