"""The search index's write side: BM25 postings with their statistics, and vectors.

All index writes of one owner first take lock_stats. So they run one after another, the counts are exact, and two
writers cannot deadlock over shared terms.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from pgvector import HalfVector

from chalicelib.model.library.items import ItemRef
from chalicelib.model.search.lexical import configuration_of, for_tsvector
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)
BATCH_CHARS = 200_000
SetKind = Literal["text", "picture"]
SET_KINDS: tuple[SetKind, ...] = ("text", "picture")


class VectorSet(Struct, frozen=True, kw_only=True):
    """A set of vectors: what one model has made of one kind of things."""

    id: int
    kind: SetKind
    model: str
    dimensions: int


class Unseen(Struct, frozen=True, kw_only=True):
    """An image without a vector in a set of pictures. The vector is that of `chunk_id`, its caption."""

    set_id: int
    chunk_id: int
    preview_key: str


class PageBatch(Struct, frozen=True, kw_only=True):
    """The pages `first` to `last` of an item, both inclusive: together about BATCH_CHARS characters."""

    first: int
    last: int


def add_item(tx: Tx, ref: ItemRef) -> None:
    """Add all of the item's pages to the BM25 index; pages that are in it stay as they are."""
    for batch in list_batches(tx, ref):
        add_pages(tx, ref, batch)


def list_batches(tx: Tx, ref: ItemRef) -> list[PageBatch]:
    """Return the item's pages that are not in the BM25 index yet, in batches for `add_pages`."""
    return tx.rows(
        PageBatch, SQL["page_batches"], user_id=ref.user_id, item_id=ref.item_id, chars=BATCH_CHARS
    )


def add_pages(tx: Tx, ref: ItemRef, batch: PageBatch) -> None:
    """Add these pages to the BM25 index; pages that are in it stay as they are."""
    owner = _lock_stats(tx, ref.user_id)
    item = {"user_id": ref.user_id, "item_id": ref.item_id}
    texts = tx.all(SQL["chunk_texts"], **item, first=batch.first, last=batch.last)
    tx.run(
        SQL["add_pages"],
        **item,
        owner=owner,
        numbers=[text["number"] for text in texts],
        texts=[for_tsvector(text["text"]) for text in texts],
        languages=[configuration_of(text["text"]) for text in texts],
    )


def remove_item(tx: Tx, ref: ItemRef) -> None:
    """Take the item's pages out of the BM25 index and out of its statistics. The caller has locked the item."""
    if tx.one(SQL["find_page"], user_id=ref.user_id, item_id=ref.item_id) is None:
        return
    owner = _lock_stats(tx, ref.user_id)
    tx.run(SQL["remove_pages"], owner=owner, user_id=ref.user_id, item_id=ref.item_id)


def ensure_set(tx: Tx, *, model: str, dimensions: int, kind: SetKind = "text") -> int:
    """Return the id of this model's embedding set; make it if it is missing.

    The first set of a kind is live at once, later ones not.
    """
    row = tx.one(SQL["find_set"], model=model, dimensions=dimensions, kind=kind)
    if row is None:
        row = tx.one(SQL["ensure_set"], model=model, dimensions=dimensions, kind=kind)
    assert row is not None
    return int(row["id"])


def find_live(tx: Tx, kind: SetKind) -> VectorSet | None:
    """Return the set of this kind that is searched, None when there is none yet."""
    return tx.row(VectorSet, SQL["find_live"], kind=kind)


def add_vectors(
    tx: Tx, user_id: str, *, set_id: int, ids: Sequence[int], vectors: Sequence[Sequence[float]]
) -> None:
    """Store a vector for each chunk, in place of an earlier one."""
    texts = [HalfVector(list(vector)).to_text() for vector in vectors]
    tx.run(SQL["add_vectors"], set_id=set_id, user_id=user_id, ids=list(ids), vectors=texts)


def add_picture(
    tx: Tx, ref: ItemRef, *, model: str, vector: Sequence[float], begins_set: bool = True
) -> None:
    """Store the vector of an image, beside its caption, in this model's set of pictures.

    If no generation has that set, and this is not to begin one, nothing is stored.
    """
    row = tx.one(SQL["caption"], user_id=ref.user_id, item_id=ref.item_id)
    if row is None or row["id"] is None:
        return
    wanted = {"model": model, "dimensions": len(vector), "kind": "picture"}
    if not begins_set and tx.one(SQL["find_used_set"], **wanted) is None:
        return
    set_id = ensure_set(tx, model=model, dimensions=len(vector), kind="picture")
    add_vectors(tx, ref.user_id, set_id=set_id, ids=[row["id"]], vectors=[vector])


def list_unseen(
    tx: Tx, user_id: str, *, set_id: int, limit: int, after: int = 0, item_id: str | None = None
) -> list[Unseen]:
    """Return the user's images, or this one, that have no vector in the set: those behind the chunk `after`."""
    where = {"user_id": user_id, "set_id": set_id, "after": after, "item_id": item_id}
    return tx.rows(Unseen, SQL["list_unseen"], **where, limit=limit)


def _lock_stats(tx: Tx, user_id: str) -> int:
    row = tx.one(SQL["lock_stats"], user_id=user_id)
    assert row is not None, "the user exists before anything of theirs is indexed"
    return int(row["owner"])
