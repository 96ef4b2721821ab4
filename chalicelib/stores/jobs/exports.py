"""Rows of everything that a user has, for an export: `line` is one object of its JSON lines."""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from chalicelib.model.jobs.exports import Phase
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


class ExportedItem(Struct, frozen=True, kw_only=True):
    id: str
    key: str
    name: str
    thumbnail_key: str | None
    preview_key: str | None
    line: dict[str, Any]


class Exported(Struct, frozen=True, kw_only=True):
    """A row with what belongs to it: for example a conversation with its messages and their citations."""

    id: str
    line: dict[str, Any]


class ExportedChunk(Struct, frozen=True, kw_only=True):
    """A piece of a page's text, from `char_start` to `char_end` of it."""

    item_id: str
    source: str
    ordinal: int
    page: int
    char_start: int
    char_end: int
    text: str


class ExportedVector(Struct, frozen=True, kw_only=True):
    """The vector of a chunk in the live set of this kind: `vector` is base64 of the database's binary form."""

    item_id: str
    source: str
    ordinal: int
    kind: str
    model: str
    dimensions: int
    vector: str


def list_items(tx: Tx, user_id: str, item_ids: Sequence[str]) -> dict[str, ExportedItem]:
    """Return the items that are there, by their ids."""
    found = tx.rows(ExportedItem, SQL["list_items"], user_id=user_id, item_ids=list(item_ids))
    return {item.id: item for item in found}


def list_analyses(tx: Tx, user_id: str, item_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Return all analyses of the items, earlier versions too."""
    rows = tx.all(SQL["list_analyses"], user_id=user_id, item_ids=list(item_ids))
    return (row["line"] for row in rows)


def list_chunks(
    tx: Tx, user_id: str, item_ids: Sequence[str], *, after: ExportedChunk | None, limit: int
) -> list[ExportedChunk]:
    """Return chunks of the items behind `after`, in order."""
    values = {"user_id": user_id, "item_ids": list(item_ids), "limit": limit}
    return tx.rows(ExportedChunk, SQL["list_chunks"], **values, **_position(after))


def count_chunks(tx: Tx, user_id: str, item_ids: Sequence[str]) -> dict[str, int]:
    """Return how many chunks the items have, by their ids; those that have none are left out."""
    rows = tx.all(SQL["count_chunks"], user_id=user_id, item_ids=list(item_ids))
    return {row["item_id"]: row["chunks"] for row in rows}


def list_vectors(
    tx: Tx, user_id: str, item_ids: Sequence[str], *, after: ExportedVector | None, limit: int
) -> list[ExportedVector]:
    """Return vectors of the items' chunks behind `after`, in order."""
    values = {"user_id": user_id, "item_ids": list(item_ids), "limit": limit}
    position = {**_position(after), "after_kind": after and after.kind}
    return tx.rows(ExportedVector, SQL["list_vectors"], **values, **position)


def list_rows(tx: Tx, user_id: str, phase: Phase, *, after: str | None, limit: int) -> list[Exported]:
    """Return rows of the phase's table behind the id `after`, each with what belongs to it."""
    return tx.rows(Exported, SQL[f"list_{phase}"], user_id=user_id, after=after, limit=limit)


def _position(after: ExportedChunk | ExportedVector | None) -> dict[str, Any]:
    return {
        "after_item": after and after.item_id,
        "after_source": after and after.source,
        "after_ordinal": after and after.ordinal,
    }
