"""Finds what depends on an item: collections that hold it, conversations that cite it, and rows derived from it."""

from msgspec import Struct

from chalicelib.model.library.items import ItemRef
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


class HoldingCollection(Struct, frozen=True, kw_only=True):
    """`found` counts all the collections that hold the item, also those beyond the limit."""

    id: str
    name: str
    found: int


class CitingConversation(Struct, frozen=True, kw_only=True):
    """`answers` of the conversation cite the item; `found` counts all such conversations, also beyond the limit."""

    id: str
    title: str
    answers: int
    found: int


class DerivedCounts(Struct, frozen=True, kw_only=True):
    """Counts of the rows derived from the item; `pages` are those of the search index."""

    chunks: int
    vectors: int
    pages: int
    analyses: int


def list_collections(tx: Tx, ref: ItemRef, *, limit: int) -> list[HoldingCollection]:
    """Return the collections that hold the item, by name."""
    return tx.rows(
        HoldingCollection, SQL["collections"], user_id=ref.user_id, item_id=ref.item_id, limit=limit
    )


def list_conversations(tx: Tx, ref: ItemRef, *, limit: int) -> list[CitingConversation]:
    """Return the conversations that cite the item, the last changed first."""
    return tx.rows(
        CitingConversation, SQL["conversations"], user_id=ref.user_id, item_id=ref.item_id, limit=limit
    )


def count_derived(tx: Tx, ref: ItemRef) -> DerivedCounts:
    return tx.rows(DerivedCounts, SQL["derived"], user_id=ref.user_id, item_id=ref.item_id)[0]
