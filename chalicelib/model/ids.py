"""Ids of what we make: UUIDs, in the one form that we write."""

import re

from chalicelib.errors import CollectionsError

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


def checked_uuid(text: str, otherwise: CollectionsError) -> str:
    """The id as it is; raises `otherwise` for what cannot be one, which Postgres would choke on."""
    if not _UUID.match(text):
        raise otherwise
    return text
