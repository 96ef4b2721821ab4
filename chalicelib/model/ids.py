"""Checks ids that this app makes: UUIDs in lower case with dashes."""

from chalicelib.errors import CollectionsError
from chalicelib.patterns import pattern

_UUID = pattern(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


def checked_uuid(text: str, otherwise: CollectionsError) -> str:
    """Return the id unchanged. Raise `otherwise` for a text that is not a UUID: Postgres would fail on it."""
    if not is_uuid(text):
        raise otherwise
    return text


def is_uuid(text: str) -> bool:
    return _UUID.match(text) is not None
