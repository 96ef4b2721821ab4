"""Write an Anki package: a zip with the notes in SQLite, and pictures. genanki does it; it is loaded at first use."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from chalicelib.model.practice.anki import BASIC_ID, CLOZE_ID, FIELDS, Note

_BACK = '<div class="source">{{Picture}}<br>{{Source}}</div>'
_STYLE = (
    ".card { font-family: sans-serif; font-size: 20px; text-align: center; }"
    " .cloze { font-weight: bold; } .source { font-size: 14px; color: gray; } img { max-width: 100%; }"
)


def write_package(
    path: Path,
    *,
    deck_number: int,
    name: str,
    notes: Sequence[Note],
    pictures: Sequence[Path],
    written_s: float,
) -> None:
    """Write the notes as a deck of this name to `path`. `written_s` is when they were changed, in seconds since 1970.

    Anki replaces a note that has the same guid and an earlier time.
    """
    import genanki

    deck = genanki.Deck(deck_number, name)
    for note in notes:
        deck.add_note(genanki.Note(model=_models()[note.is_cloze], fields=list(note.fields), guid=note.guid))
    genanki.Package(deck, [str(picture) for picture in pictures]).write_to_file(str(path), written_s)


@cache
def _models() -> tuple[Any, Any]:
    """Return the note types: a question with its answer, and a text with a gap."""
    import genanki

    fields = [{"name": name} for name in FIELDS]
    plain = {
        "name": "Card",
        "qfmt": "{{Text}}",
        "afmt": '{{FrontSide}}<hr id="answer">{{Answer}}' + _BACK,
    }
    gap = {"name": "Cloze", "qfmt": "{{cloze:Text}}", "afmt": "{{cloze:Text}}" + _BACK}
    basic = genanki.Model(BASIC_ID, "Collections question", [dict(f) for f in fields], [plain], css=_STYLE)
    cloze = genanki.Model(
        CLOZE_ID,
        "Collections cloze",
        [dict(f) for f in fields],
        [gap],
        css=_STYLE,
        model_type=genanki.Model.CLOZE,
    )
    return basic, cloze
