"""Checks the names that users give to what they make."""

import unicodedata

from chalicelib.errors import InvalidInput

MAX_NAME_CHARS = 100


def checked_name(name: str) -> str:
    """Return the name in NFC, without white space around it. Raise InvalidInput for a name that is not accepted."""
    composed = unicodedata.normalize("NFC", name).strip()
    kinds = [unicodedata.category(character) for character in composed]
    if all(kind[0] in "CZ" for kind in kinds):
        raise InvalidInput("A name must have at least one visible character.", field="name")
    # Composing makes three characters of some Hebrew ones.
    if not {"Cc", "Zl", "Zp"}.isdisjoint(kinds) or len(composed) > MAX_NAME_CHARS:
        raise InvalidInput(f"A name is one line of at most {MAX_NAME_CHARS} characters.", field="name")
    return composed
