"""Find the place that a row of an export has here.

A row is the same one if it has the same id and was made at the same time; if only the id is the same, the new row gets
another id, always the same one, and what refers to it follows. Items are found by their bytes, collections, concepts
and decks by name.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import msgspec

from chalicelib.stores.jobs import imports
from chalicelib.stores.jobs.imports import Table
from chalicelib.stores.postgres.tx import Tx

Line = dict[str, Any]


def place(tx: Tx, user_id: str, table: Table, line: Line, *, at: str = "created_at") -> tuple[str, bool]:
    """Return the id that the row has here, and whether it is there already."""
    return places(tx, user_id, table, [line], at=at)[0]


def places(
    tx: Tx, user_id: str, table: Table, lines: Sequence[Line], *, at: str = "created_at"
) -> list[tuple[str, bool]]:
    """Like place, for many rows."""
    known = [(known_id(line["id"]), other_id(line["id"], line[at]), time_of(line[at])) for line in lines]
    taken = imports.find_taken(tx, user_id, table, [each for pair in known for each in pair[:2]])
    return [
        (own, False) if own not in taken else (own, True) if taken[own] == moment else (other, other in taken)
        for own, other, moment in known
    ]


def placed(tx: Tx, user_id: str, quotes: Sequence[Line]) -> list[Line]:
    """Return rows that quote an item with the id that the item has here; one that is not here stays unknown."""
    here = imports.match_items(tx, user_id, texts(quote["item_sha256"] for quote in quotes))
    return [{**quote, "item_id": here.get(quote["item_sha256"] or "", quote["item_id"])} for quote in quotes]


def items_here(tx: Tx, user_id: str, line: Line) -> dict[str, str]:
    """Return the ids that the line's items have here, by those that they had."""
    here = imports.match_items(tx, user_id, texts(line["items"].values()))
    return {old: here[sha256] for old, sha256 in line["items"].items() if sha256 in here}


def texts(values: Any) -> list[str]:
    return [value for value in values if isinstance(value, str)]


def known_id(text: str) -> str:
    return str(UUID(text))


def other_id(text: str, salt: str) -> str:
    return str(uuid5(UUID(text), salt))


def time_of(text: str) -> datetime:
    return msgspec.convert(text, datetime, strict=False)
