"""The search index's write side: BM25 postings with their statistics, and vectors.

All index writes of one owner go through lock_stats first: they are serialised, so the counts
are exact and two writers cannot deadlock over shared terms.
"""

from collections.abc import Sequence

from pgvector import HalfVector

from chalicelib.model.lexical import for_tsvector
from chalicelib.model.pipeline import ItemRef
from chalicelib.stores.sql import statements
from chalicelib.stores.tx import Row, Tx

SQL = statements(__file__)
RUN_CHARS = 200_000


def add_item(tx: Tx, ref: ItemRef) -> None:
    """Put the item's pages into the BM25 index, those that are not there yet."""
    for run in list_runs(tx, ref):
        add_run(tx, ref, run)


def list_runs(tx: Tx, ref: ItemRef) -> list[Row]:
    """What of the item is not in the BM25 index yet, in runs of pages that `add_run` takes one by one."""
    return tx.all(SQL["page_runs"], user_id=ref.user_id, item_id=ref.item_id, chars=RUN_CHARS)


def add_run(tx: Tx, ref: ItemRef, run: Row) -> None:
    """Put a run of pages into the BM25 index; those that are there already stay as they are."""
    owner = _lock_stats(tx, ref.user_id)
    item = {"user_id": ref.user_id, "item_id": ref.item_id}
    texts = tx.all(SQL["chunk_texts"], **item, **run)
    tx.run(
        SQL["add_pages"],
        **item,
        owner=owner,
        numbers=[text["number"] for text in texts],
        texts=[for_tsvector(text["text"]) for text in texts],
    )


def remove_item(tx: Tx, ref: ItemRef) -> None:
    """Take the item's pages out of the BM25 index and out of its statistics."""
    owner = _lock_stats(tx, ref.user_id)
    tx.run(SQL["remove_pages"], owner=owner, user_id=ref.user_id, item_id=ref.item_id)


def ensure_set(tx: Tx, *, model: str, dimensions: int) -> int:
    """The embedding set of this model; the first one ever made is live, later ones are being built."""
    row = tx.one(SQL["find_set"], model=model, dimensions=dimensions)
    if row is None:
        row = tx.one(SQL["ensure_set"], model=model, dimensions=dimensions)
    assert row is not None
    return int(row["id"])


def add_vectors(
    tx: Tx, user_id: str, *, set_id: int, ids: Sequence[int], vectors: Sequence[Sequence[float]]
) -> None:
    """Store one vector a chunk; storing it again replaces it."""
    texts = [HalfVector(list(vector)).to_text() for vector in vectors]
    owner = tx.all(SQL["owner"], user_id=user_id)[0]["number"]
    tx.run(SQL["add_vectors"], set_id=set_id, owner=owner, ids=list(ids), vectors=texts)


def _lock_stats(tx: Tx, user_id: str) -> int:
    row = tx.one(SQL["lock_stats"], user_id=user_id)
    assert row is not None, "the user exists before anything of theirs is indexed"
    return int(row["owner"])
