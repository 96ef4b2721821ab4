"""The search index's read side: one owner's rows, always with the owner as an explicit predicate too."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from pgvector import HalfVector

from chalicelib.stores.sql import statements
from chalicelib.stores.tx import Row, Tx

SQL = statements(__file__)
Page = tuple[str, int]  # (item id, page number)
# (item id, page number, chunk; None: the one that has most of the words)
Chosen = tuple[str, int, int | None]
LAST_PAGE = 2**31 - 1


class Filters(Struct, frozen=True, kw_only=True):
    """None: no such condition. `since` is inclusive, `until` is not; both are of the item's creation.

    Both pages are inclusive; an image is a page 1.
    """

    kinds: tuple[str, ...] | None = None
    item_ids: tuple[str, ...] | None = None
    tag: str | None = None
    collection_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    first_page: int | None = None
    last_page: int | None = None

    def values(self) -> dict[str, Any]:
        given = {name: getattr(self, name) for name in self.__struct_fields__}
        filtered = any(value is not None for value in given.values())
        lists = {name: list(v) if (v := given[name]) is not None else None for name in ("kinds", "item_ids")}
        pages = {"first_page": self.first_page or 0, "last_page": self.last_page or LAST_PAGE}
        return {**given, **lists, **pages, "filtered": filtered}


class Scope(Struct, frozen=True, kw_only=True):
    """Where to look: the owner's number and the live embedding set, None before anything was embedded."""

    user_id: str
    owner: int
    set_id: int | None
    model: str | None
    dimensions: int | None


def find_scope(tx: Tx, user_id: str) -> Scope | None:
    row = tx.one(SQL["scope"], user_id=user_id)
    return Scope(user_id=user_id, **row) if row else None


def list_lexical(
    tx: Tx, scope: Scope, query: str, *, filters: Filters, depth: int
) -> dict[Page, tuple[float, float]]:
    """The best pages by BM25, best first: (score, the share of the query's weight that its words have, 0..1)."""
    rows = tx.all(
        SQL["lexical"], user_id=scope.user_id, owner=scope.owner, query=query, depth=depth, **filters.values()
    )
    return {(row["item_id"], row["page"]): (row["score"], row["coverage"]) for row in rows}


def list_semantic(
    tx: Tx,
    scope: Scope,
    vector: Sequence[float],
    *,
    filters: Filters,
    depth: int,
    not_item: str | None = None,
) -> list[Row]:
    """The nearest chunks by cosine similarity, exact, nearest first: item_id, page, chunk_id, score."""
    return tx.all(
        SQL["semantic"],
        user_id=scope.user_id,
        owner=scope.owner,
        set_id=scope.set_id,
        vector=HalfVector(list(vector)).to_text(),
        depth=depth,
        not_item=not_item,
        **filters.values(),
    )


def list_passages(
    tx: Tx,
    scope: Scope,
    query: str,
    chosen: Sequence[Chosen],
    *,
    pairs: Collection[str],
    start: str,
    stop: str,
) -> list[Row]:
    """For each its chunk, or the one with most of the words; `marked`: the query's words between start and stop.

    `pairs` are the query's words of two characters in what is written without spaces; they are not marked.
    """
    marks = {"start": start, "stop": stop}
    return tx.all(
        SQL["passages"], user_id=scope.user_id, query=query, pairs=list(pairs), **marks, **_columns(chosen)
    )


def list_page_chunks(
    tx: Tx, scope: Scope, query: str, vector: Sequence[float] | None, chosen: Sequence[Chosen], *, most: int
) -> list[Row]:
    """For each page its chunks in reading order, at most so many around its chosen one.

    With `words`, their BM25; `cosine`, theirs with the vector; `likeness`, with the chunk before. None: no vectors.
    """
    return tx.all(
        SQL["page_chunks"],
        user_id=scope.user_id,
        owner=scope.owner,
        set_id=scope.set_id,
        query=query,
        vector=HalfVector(list(vector)).to_text() if vector is not None else None,
        most=most,
        **_columns(chosen),
    )


def list_facets(tx: Tx, user_id: str, item_ids: Sequence[str], *, most: int) -> list[Row]:
    """facet ("kind", "tag", "collection", "month"), value, name (a collection's), count; the most frequent first."""
    return tx.all(SQL["facets"], user_id=user_id, item_ids=list(item_ids), most=most)


def find_example_vector(tx: Tx, scope: Scope, item_id: str) -> list[float] | None:
    """The mean of the item's vectors, None while it has none."""
    row = tx.one(
        SQL["example_vector"], user_id=scope.user_id, owner=scope.owner, set_id=scope.set_id, item_id=item_id
    )
    return HalfVector.from_text(row["vector"]).to_list() if row and row["vector"] else None


def _columns(chosen: Sequence[Chosen]) -> dict[str, list[Any]]:
    return {
        "item_ids": [item_id for item_id, _, _ in chosen],
        "pages": [page for _, page, _ in chosen],
        "chunk_ids": [chunk_id for _, _, chunk_id in chosen],
    }
