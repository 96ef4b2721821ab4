"""Find items by words and by meaning, each by its best page. Repeated passages are folded into the first one."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.model.library.items import ItemRef
from chalicelib.model.search import ranking
from chalicelib.model.search.filters import Filters
from chalicelib.model.search.folding import fold
from chalicelib.model.search.lexical import pairs_in
from chalicelib.model.search.passages import FacetCount, FoundPassage
from chalicelib.model.search.ranking import Fused, Mode
from chalicelib.model.search.snippets import START, STOP, Snippet, cut_snippet, mark_pairs
from chalicelib.ops.search.rank import PreparedQuery, Ranking, fuse_pages, rank_pages, rerank, with_live_model
from chalicelib.providers import Embedder, Reranker
from chalicelib.stores.library import collections, items
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import lookup
from chalicelib.stores.search.lookup import Page

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

RERANKED = 50  # hits that the reranker sees
SPARE = 4  # hits read beyond the limit, to replace folded ones; if they do not suffice, all matches are read
VALUES_PER_FACET = 50


class Hit(Struct, frozen=True, kw_only=True):
    """An item with its best page and that page's best passage.

    `score` is the reranker's score if it was used, else the rank's. `also_on_pages` has the other matching pages, best
    first. `duplicates` are the documents that were left out because their best passage says the same.
    """

    passage: FoundPassage
    score: float
    rank: Fused[Page]
    coverage: float | None
    rerank_score: float | None
    also_on_pages: tuple[int, ...]
    duplicates: tuple[str, ...]

    @property
    def snippet(self) -> Snippet:
        return cut_snippet(self.passage.marked)


class SearchResult(Struct, frozen=True, kw_only=True):
    """A search's hits. `missing` names the parts that were not available: "semantic", "reranker".

    `semantic_weight` is the share of the vectors in the score. `facets` count all items that matched, not only those
    shown; None if they were not asked for.
    """

    hits: tuple[Hit, ...]
    semantic_weight: float
    missing: tuple[str, ...]
    facets: tuple[FacetCount, ...] | None = None


class _Found(Struct, frozen=True, kw_only=True):
    """Results of the database: the candidates' ranks, their passages in the same order, and the facets."""

    ranked: Ranking
    firsts: list[Fused[Page]]
    passages: list[FoundPassage]
    facets: tuple[FacetCount, ...] | None


def search_items(
    user_id: str,
    query: str,
    *,
    filters: Filters,
    limit: int,
    db: "Database",
    embedder: Embedder,
    mode: Mode = "hybrid",
    facets: bool = False,
    reranker: Reranker | None = None,
) -> SearchResult:
    """Return the best `limit` items for a text query.

    Without the embedder, items are found by words alone. Without the reranker, their order stays as it is. `missing`
    names what was not available. Raise NotFound for an unknown collection, and in mode "semantic" Unavailable without
    the embedder.
    """
    take = max(limit + SPARE, RERANKED if reranker else 0)

    def find(tx: Tx, question: PreparedQuery, take: int | None) -> _Found | None:
        if filters.collection_id is not None:
            collections.get(tx, user_id, filters.collection_id, field="filters.collection_id")
        ranked = rank_pages(tx, user_id, question, filters=filters)
        return _read_candidates(tx, ranked, question.words, take=take, facets=facets) if ranked else None

    def answer(question: PreparedQuery) -> SearchResult:
        found = db.transact(user_id, lambda tx: find(tx, question, take))
        if found is None:
            return SearchResult(
                hits=(), semantic_weight=0.0, missing=question.missing, facets=() if facets else None
            )
        best = _best_of(found, query, limit=limit, reranker=reranker)
        # Folded documents took the places of other items.
        if len(best.hits) < limit and take < len(found.firsts):
            found = db.transact(user_id, lambda tx: find(tx, question, None)) or found
            best = _best_of(found, query, limit=limit, reranker=reranker)
        return best

    return with_live_model(query, answer, embedder=embedder, mode=mode, db=db)


def search_by_example(
    ref: ItemRef, *, filters: Filters, limit: int, db: "Database", facets: bool = False
) -> SearchResult:
    """Return the items nearest to this one's mean vector, without the item itself. Copies are not folded here.

    If the item has no vectors, nothing is found and `missing` has "semantic". Raise NotFound for an unknown item or
    collection.
    """

    def read(tx: Tx) -> _Found | None:
        items.get(tx, ref, field="item_id")
        if filters.collection_id is not None:
            collections.get(tx, ref.user_id, filters.collection_id, field="filters.collection_id")
        scope = lookup.find_scope(tx, ref.user_id)
        vector = lookup.find_example_vector(tx, scope, ref.item_id) if scope else None
        if scope is None or vector is None:
            return None
        nearest = lookup.list_semantic(
            tx, scope, vector, filters=filters, depth=ranking.NEAREST_CHUNKS, not_item=ref.item_id
        )
        return _read_candidates(tx, fuse_pages(scope, {}, nearest, weight=1.0), "", take=limit, facets=facets)

    found = db.transact(ref.user_id, read)
    if found is None:
        return SearchResult(
            hits=(), semantic_weight=1.0, missing=("semantic",), facets=() if facets else None
        )
    return SearchResult(hits=tuple(_hits(found, None)), semantic_weight=1.0, missing=(), facets=found.facets)


def _best_of(found: _Found, query: str, *, limit: int, reranker: Reranker | None) -> SearchResult:
    missing, scores = found.ranked.missing, None
    if reranker:
        scores = rerank(query, [passage.text for passage in found.passages], reranker=reranker)
        missing = missing if scores is not None else (*missing, "reranker")
    return SearchResult(
        hits=tuple(_folded(_hits(found, scores))[:limit]),
        semantic_weight=found.ranked.semantic_weight,
        missing=missing,
        facets=found.facets,
    )


def _read_candidates(tx: Tx, ranked: Ranking, words: str, *, take: int | None, facets: bool) -> _Found:
    firsts = ranking.first_of_each(ranked.pages, lambda page: page[0])
    counted = None
    if facets:
        matched = [hit.key[0] for hit in firsts]
        counted = tuple(lookup.list_facets(tx, ranked.scope.user_id, matched, most=VALUES_PER_FACET))
    pairs, chosen = pairs_in(words), ranked.chosen(firsts[:take])
    passages = lookup.list_passages(tx, ranked.scope, words, chosen, pairs=pairs, start=START, stop=STOP)
    if pairs:
        passages = [replace(each, marked=mark_pairs(each.marked, pairs)) for each in passages]
    return _Found(ranked=ranked, firsts=firsts, passages=passages, facets=counted)


def _hits(found: _Found, scores: Sequence[float] | None) -> list[Hit]:
    """Return the hits, best first, by the reranker's `scores` if there are any."""
    pages: dict[str, list[int]] = defaultdict(list)
    for page in found.ranked.pages:
        pages[page.key[0]].append(page.key[1])
    hits = []
    for place, passage in enumerate(found.passages):
        rank = found.firsts[passage.position - 1]
        hits.append(
            Hit(
                passage=passage,
                score=min(max(scores[place], 0.0), 1.0) if scores else rank.score,
                rank=rank,
                coverage=found.ranked.coverage.get(rank.key),
                rerank_score=scores[place] if scores else None,
                also_on_pages=tuple(pages[passage.item_id][1:6]),
                duplicates=(),
            )
        )
    return sorted(hits, key=lambda hit: -(hit.rerank_score or 0.0)) if scores else hits


def _folded(hits: list[Hit]) -> list[Hit]:
    """Leave out documents whose passage repeats an earlier hit's. Photographs with one caption are all kept."""
    places = fold([hit.passage.text if hit.passage.kind == "pdf" else "" for hit in hits])
    copies: dict[int, list[str]] = defaultdict(list)
    for place, hit in zip(places, hits, strict=True):
        copies[place].append(hit.passage.item_id)
    return [replace(hits[place], duplicates=tuple(ids[1:])) for place, ids in copies.items()]
