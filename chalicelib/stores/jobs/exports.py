"""Rows of everything that a user has, for an export: `line` is one object of its JSON lines."""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


class ExportedItem(Struct, frozen=True, kw_only=True):
    id: str
    key: str
    name: str
    line: dict[str, Any]


class Exported(Struct, frozen=True, kw_only=True):
    """A collection with its items' ids, or a conversation with its messages and their citations."""

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

    @property
    def line(self) -> dict[str, Any]:
        return asdict(self)


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
    position = {
        "after_item": after and after.item_id,
        "after_source": after and after.source,
        "after_ordinal": after and after.ordinal,
    }
    return tx.rows(
        ExportedChunk, SQL["list_chunks"], user_id=user_id, item_ids=list(item_ids), limit=limit, **position
    )


def list_collections(tx: Tx, user_id: str, *, after: str | None, limit: int) -> list[Exported]:
    return tx.rows(Exported, SQL["list_collections"], user_id=user_id, after=after, limit=limit)


def list_conversations(tx: Tx, user_id: str, *, after: str | None, limit: int) -> list[Exported]:
    return tx.rows(Exported, SQL["list_conversations"], user_id=user_id, after=after, limit=limit)
