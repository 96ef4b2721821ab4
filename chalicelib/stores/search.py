"""The search index's read side: one owner's rows, always with the owner as an explicit predicate too."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pgvector import HalfVector

from chalicelib.stores.sql import statements
from chalicelib.stores.tx import Row, Tx

SQL = statements(__file__)
Page = tuple[str, int]  # (item id, page number)


@dataclass(frozen=True, kw_only=True, slots=True)
class Filters:
    """None: no such condition. `since` is inclusive, `until` is not; both are of the item's creation."""

    kinds: tuple[str, ...] | None = None
    item_ids: tuple[str, ...] | None = None
    tag: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def values(self) -> dict[str, Any]:
        lists = {
            name: list(v) if (v := getattr(self, name)) is not None else None
            for name in ("kinds", "item_ids")
        }
        values = {**lists, "tag": self.tag, "since": self.since, "until": self.until}
        return {**values, "filtered": any(value is not None for value in values.values())}


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """Where to look: the owner's number and the live embedding set, None before anything was embedded."""

    user_id: str
    owner: int
    set_id: int | None
    model: str | None
    dimensions: int | None


def find_scope(tx: Tx, user_id: str) -> Scope | None:
    row = tx.one(SQL["scope"], user_id=user_id)
    return Scope(user_id=user_id, **row) if row else None


def list_lexical(tx: Tx, scope: Scope, query: str, *, filters: Filters, depth: int) -> dict[Page, float]:
    """The best pages by BM25, best first."""
    rows = tx.all(
        SQL["lexical"], user_id=scope.user_id, owner=scope.owner, query=query, depth=depth, **filters.values()
    )
    return {(row["item_id"], row["page"]): row["score"] for row in rows}


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
    tx: Tx, scope: Scope, query: str, chosen: Sequence[tuple[str, int, int | None]], *, start: str, stop: str
) -> list[Row]:
    """For each (item, page, chunk or None) the chunk to show, the query's words between start and stop."""
    return tx.all(
        SQL["passages"],
        user_id=scope.user_id,
        query=query,
        item_ids=[item_id for item_id, _, _ in chosen],
        pages=[page for _, page, _ in chosen],
        chunk_ids=[chunk_id for _, _, chunk_id in chosen],
        start=start,
        stop=stop,
    )


def find_example_vector(tx: Tx, scope: Scope, item_id: str) -> list[float] | None:
    """The mean of the item's vectors, None while it has none."""
    row = tx.one(
        SQL["example_vector"], user_id=scope.user_id, owner=scope.owner, set_id=scope.set_id, item_id=item_id
    )
    return HalfVector.from_text(row["vector"]).to_list() if row and row["vector"] else None
