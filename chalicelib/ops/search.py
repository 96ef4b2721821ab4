"""Find items by words and by meaning: BM25 over pages and exact cosine over chunks, fused (model/ranking)."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib import errors
from chalicelib.model import ranking
from chalicelib.model.lexical import with_bigrams
from chalicelib.model.pipeline import ItemRef
from chalicelib.model.ranking import Fused
from chalicelib.model.snippets import START, STOP, Snippet, cut_snippet
from chalicelib.providers import Embedder
from chalicelib.stores import items
from chalicelib.stores import search as index
from chalicelib.stores.search import Filters as Filters
from chalicelib.stores.search import Page
from chalicelib.stores.tx import Row, Tx

if TYPE_CHECKING:
    from chalicelib.stores.postgres import Database

log = logging.getLogger("collections.search")
EMBED_TIMEOUT_S = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """One item, by its best page and that page's best passage. `also_on_pages`: other matching pages, best first."""

    passage: Row
    snippet: Snippet
    rank: Fused[Page]
    also_on_pages: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """`missing` names what could not take part ("semantic"); `semantic_weight` is its share of the score."""

    hits: tuple[Hit, ...]
    semantic_weight: float
    missing: tuple[str, ...]


def search_items(
    user_id: str, query: str, *, filters: Filters, limit: int, db: "Database", embedder: Embedder
) -> Answer:
    """The best `limit` items for a text query. Without the embedder it goes on by words alone and says so."""
    vector: list[float] | None = None
    missing: tuple[str, ...] = ()
    try:
        vector = embedder.embed([query], timeout_s=EMBED_TIMEOUT_S)[0]
    except errors.Unavailable as error:
        log.warning("searching by words alone", extra={"error": error.code})
        missing = ("semantic",)
    model = (embedder.model, embedder.dimensions)

    def read(tx: Tx) -> Answer:
        scope = index.find_scope(tx, user_id)
        if scope is None:
            return Answer(hits=(), semantic_weight=0.0, missing=missing)
        words = with_bigrams(query)
        lexical = index.list_lexical(tx, scope, words, filters=filters, depth=ranking.DEPTH)
        absent = missing
        nearest: list[Row] = []
        if vector is not None and scope.set_id is not None:
            if (scope.model, scope.dimensions) != model:
                absent = ("semantic",)
            else:
                nearest = index.list_semantic(
                    tx, scope, vector, filters=filters, depth=ranking.NEAREST_CHUNKS
                )
        weight = ranking.semantic_weight_for(query) if nearest else 0.0
        return _answer(tx, scope, words, lexical, nearest, weight=weight, limit=limit, missing=absent)

    return db.transact(user_id, read)


def search_by_example(ref: ItemRef, *, filters: Filters, limit: int, db: "Database") -> Answer:
    """The items nearest to this one's mean vector, itself left out. Raises NotFound."""

    def read(tx: Tx) -> Answer:
        items.get(tx, ref)
        scope = index.find_scope(tx, ref.user_id)
        vector = index.find_example_vector(tx, scope, ref.item_id) if scope else None
        if scope is None or vector is None:
            return Answer(hits=(), semantic_weight=1.0, missing=())
        nearest = index.list_semantic(
            tx, scope, vector, filters=filters, depth=ranking.NEAREST_CHUNKS, not_item=ref.item_id
        )
        return _answer(tx, scope, "", {}, nearest, weight=1.0, limit=limit, missing=())

    return db.transact(ref.user_id, read)


def _answer(
    tx: Tx,
    scope: index.Scope,
    words: str,
    lexical: dict[Page, float],
    nearest: list[Row],
    *,
    weight: float,
    limit: int,
    missing: tuple[str, ...],
) -> Answer:
    best_chunk = _best_chunks(nearest)
    semantic = {page: score for page, (_, score) in list(best_chunk.items())[: ranking.DEPTH]}
    fused = ranking.fuse(lexical, semantic, semantic_weight=weight)
    firsts = ranking.first_of_each(fused, lambda page: page[0])[:limit]
    chosen = [(*hit.key, best_chunk[hit.key][0] if hit.key in best_chunk else None) for hit in firsts]
    passages = index.list_passages(tx, scope, words, chosen, start=START, stop=STOP)
    others: dict[str, list[int]] = {}
    for hit in fused:
        others.setdefault(hit.key[0], []).append(hit.key[1])
    hits = [
        Hit(
            passage=passage,
            snippet=cut_snippet(passage["marked"]),
            rank=firsts[passage["position"] - 1],
            also_on_pages=tuple(others[passage["item_id"]][1:6]),
        )
        for passage in passages
    ]
    return Answer(hits=tuple(hits), semantic_weight=weight, missing=missing)


def _best_chunks(nearest: list[Row]) -> dict[Page, tuple[int, float]]:
    page_of: dict[int, Page] = {row["chunk_id"]: (row["item_id"], row["page"]) for row in nearest}
    scores: dict[int, float] = {row["chunk_id"]: row["score"] for row in nearest}
    return ranking.best_children(scores, page_of.__getitem__)
