"""Find items or pages by words and by meaning. Documents that repeat a passage are folded into the first one."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.model.library.items import ItemRef
from chalicelib.model.search import ranking
from chalicelib.model.search.filters import Filters
from chalicelib.model.search.folding import fold
from chalicelib.model.search.lexical import ngrams_in
from chalicelib.model.search.listing import Cut, Place
from chalicelib.model.search.passages import FacetCount, FoundPassage
from chalicelib.model.search.ranking import Fused, Mode
from chalicelib.model.search.snippets import START, STOP, Snippet, cut_snippet, mark_ngrams
from chalicelib.ops.search.prepare import PreparedQuery, with_live_model
from chalicelib.ops.search.rank import Ranking, fuse_pages, put_before, rank_pages, rerank
from chalicelib.providers import Embedder, Reranker
from chalicelib.stores.library import collections, items
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import lookup
from chalicelib.stores.search.lookup import Page, SearchScope

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

RERANKED = 50  # the first hits, which the reranker puts into its order
SPARE = 5  # hits read beyond the limit: one for the next page, the others to replace folded ones
VALUES_PER_FACET = 50


class Hit(Struct, frozen=True, kw_only=True):
    """An item with its best page, or a page, with the page's best passage.

    `score` is the reranker's score if it was used, else the rank's. `relevance` (0..1) does not depend on the other
    hits; None for an example. `also_on_pages` has the item's other pages that match, best first. `duplicates` are the
    documents that were left out because their best passage says the same.
    """

    passage: FoundPassage
    score: float
    relevance: float | None
    rank: Fused[Page]
    coverage: float | None
    rerank_score: float | None
    also_on_pages: tuple[int, ...]
    duplicates: tuple[str, ...]

    @property
    def snippet(self) -> Snippet:
        return cut_snippet(self.passage.marked)


class SearchResult(Struct, frozen=True, kw_only=True):
    """A search's hits. `missing` names the parts that were not available: "semantic", "pictures", "reranker".

    `weaker` is the number of matches that are left out because they are not relevant. `next` is where the next page
    begins, None on the last one. `semantic_weight` is the share of the vectors in the score. `facets` count the items
    of all pages; None if they were not asked for.
    """

    hits: tuple[Hit, ...]
    semantic_weight: float
    missing: tuple[str, ...]
    weaker: int = 0
    next: Place | None = None
    facets: tuple[FacetCount, ...] | None = None


class _Found(Struct, frozen=True, kw_only=True):
    """Results of the database: the hits' ranks, the passages of the first of them, and the facets.

    `pages` are the pages that may be shown, best first; `firsts` has one of each group of them.
    """

    ranked: Ranking
    pages: list[Fused[Page]]
    firsts: list[Fused[Page]]
    weaker: int
    passages: list[FoundPassage]
    facets: tuple[FacetCount, ...] | None


def search_items(
    user_id: str,
    query: str,
    *,
    filters: Filters,
    cut: Cut,
    db: "Database",
    embedder: Embedder,
    mode: Mode = "hybrid",
    facets: bool = False,
    reranker: Reranker | None = None,
) -> SearchResult:
    """Return the relevant hits for a text query, best first: the part of them that `cut` wants.

    Without the embedder, items are found by words alone. Without the reranker, their order stays as it is. `missing`
    names what was not available. Raise NotFound for an unknown collection, and in mode "semantic" Unavailable without
    the embedder.
    """
    take = _most_needed(cut, reranker)

    def find(tx: Tx, question: PreparedQuery, take: int | None) -> _Found | None:
        if filters.collection_id is not None:
            collections.get(tx, user_id, filters.collection_id, field="filters.collection_id")
        ranked = rank_pages(tx, user_id, question, filters=filters)
        return _read_candidates(tx, ranked, question.words, cut, take=take, facets=facets) if ranked else None

    def answer(question: PreparedQuery) -> SearchResult:
        found = db.transact(user_id, lambda tx: find(tx, question, take))
        if found is None:
            return SearchResult(
                hits=(), semantic_weight=0.0, missing=question.missing, facets=() if facets else None
            )
        best = _best_of(found, query, cut, reranker=reranker)
        # Folded documents took the places of other items.
        if best.next is None and take < len(found.firsts):
            found = db.transact(user_id, lambda tx: find(tx, question, None)) or found
            best = _best_of(found, query, cut, reranker=reranker)
        return best

    return with_live_model(query, answer, embedder=embedder, mode=mode, db=db, pictures=embedder.pictures)


def search_by_example(
    ref: ItemRef, *, filters: Filters, cut: Cut, db: "Database", facets: bool = False
) -> SearchResult:
    """Return the items or pages nearest to this item, without the item itself. Copies are not folded.

    A picture is compared with other pictures by what they show; then come the items nearest to its texts' mean vector.
    If the item has no vectors, nothing is found and `missing` has "semantic". Raise NotFound for an unknown item or
    collection.
    """

    def read(tx: Tx) -> _Found | None:
        items.get(tx, ref, field="item_id")
        if filters.collection_id is not None:
            collections.get(tx, ref.user_id, filters.collection_id, field="filters.collection_id")
        scope = lookup.find_scope(tx, ref.user_id)
        ranked = _rank_by_example(tx, scope, ref.item_id, filters) if scope else None
        if ranked is None:
            return None
        whole = replace(cut, include_weaker=True)
        return _read_candidates(tx, ranked, "", whole, take=_most_needed(cut), facets=facets)

    found = db.transact(ref.user_id, read)
    if found is None:
        return SearchResult(
            hits=(), semantic_weight=1.0, missing=("semantic",), facets=() if facets else None
        )
    hits = [replace(hit, relevance=None) for hit in _hits(found, cut, None)]
    return _part(hits, found, cut, missing=())


def _rank_by_example(tx: Tx, scope: SearchScope, item_id: str, filters: Filters) -> Ranking | None:
    def near(scope: SearchScope, vector: list[float]) -> Ranking:
        nearest = lookup.list_semantic(
            tx, scope, vector, filters=filters, depth=ranking.NEAREST_CHUNKS, not_item=item_id
        )
        return fuse_pages(scope, {}, nearest, weight=1.0)

    vector = lookup.find_example_vector(tx, scope, item_id)
    by_text = near(scope, vector) if vector else None
    picture = lookup.find_example_picture(tx, scope, item_id)
    if picture is None:
        return by_text
    by_picture = near(*picture)
    return put_before(by_picture, by_text) if by_text else by_picture


def _most_needed(cut: Cut, reranker: Reranker | None = None) -> int:
    """Return how many hits are read at first; if folding leaves too few of them, all are read."""
    shown = cut.after.offset if cut.after else 0
    return max(shown + cut.limit + SPARE, RERANKED if reranker else 0)


def _best_of(found: _Found, query: str, cut: Cut, *, reranker: Reranker | None) -> SearchResult:
    missing, scores = found.ranked.missing, None
    if reranker:
        texts = [passage.text for passage in found.passages[:RERANKED]]
        scores = rerank(query, texts, reranker=reranker)
        missing = missing if scores is not None else (*missing, "reranker")
    hits = _hits(found, cut, scores)
    return _part(_folded(hits) if cut.group == "item" else hits, found, cut, missing=missing)


def _part(hits: list[Hit], found: _Found, cut: Cut, *, missing: tuple[str, ...]) -> SearchResult:
    start = cut.start([hit.rank.key for hit in hits])
    shown, end = hits[start : start + cut.limit], start + cut.limit
    return SearchResult(
        hits=tuple(shown),
        weaker=found.weaker,
        next=Place(offset=end, last=shown[-1].rank.key) if end < len(hits) else None,
        semantic_weight=found.ranked.semantic_weight,
        missing=missing,
        facets=found.facets,
    )


def _read_candidates(
    tx: Tx, ranked: Ranking, words: str, cut: Cut, *, take: int | None, facets: bool
) -> _Found:
    pages = [hit for hit in ranked.pages if cut.include_weaker or ranked.relevance(hit) >= ranking.RELEVANT]
    firsts, everything = _first_of_each(pages, cut), _first_of_each(ranked.pages, cut)
    counted = None
    if facets:
        matched = sorted({hit.key[0] for hit in firsts})
        counted = tuple(lookup.list_facets(tx, ranked.scope.user_id, matched, most=VALUES_PER_FACET))
    ngrams, chosen = ngrams_in(words), ranked.chosen(firsts[:take])
    passages = lookup.list_passages(tx, ranked.scope, words, chosen, ngrams=ngrams, start=START, stop=STOP)
    if ngrams:
        passages = [replace(each, marked=mark_ngrams(each.marked, ngrams)) for each in passages]
    return _Found(
        ranked=ranked,
        pages=pages,
        firsts=firsts,
        weaker=len(everything) - len(firsts),
        passages=passages,
        facets=counted,
    )


def _first_of_each(pages: list[Fused[Page]], cut: Cut) -> list[Fused[Page]]:
    return pages if cut.group == "page" else ranking.first_of_each(pages, lambda page: page[0])


def _hits(found: _Found, cut: Cut, scores: Sequence[float] | None) -> list[Hit]:
    """Return the hits, best first: those that have one of the reranker's `scores` by it, then the others."""
    pages: dict[str, list[int]] = defaultdict(list)
    for page in found.pages if cut.group == "item" else []:
        pages[page.key[0]].append(page.key[1])
    hits, least = [], min(scores, default=1.0) if scores else 1.0
    for place, passage in enumerate(found.passages):
        rank = found.firsts[passage.position - 1]
        reranked = scores[place] if scores and place < len(scores) else None
        hits.append(
            Hit(
                passage=passage,
                score=min(max(min(rank.score, least) if reranked is None else reranked, 0.0), 1.0),
                relevance=found.ranked.relevance(rank),
                rank=rank,
                coverage=found.ranked.coverage.get(rank.key),
                rerank_score=reranked,
                also_on_pages=tuple(pages[passage.item_id][1:6]),
                duplicates=(),
            )
        )
    return sorted(hits, key=lambda hit: (hit.rerank_score is None, -(hit.rerank_score or 0.0)))


def _folded(hits: list[Hit]) -> list[Hit]:
    """Leave out documents whose passage repeats an earlier hit's. Photographs with one caption are all kept."""
    places = fold([hit.passage.text if hit.passage.kind == "pdf" else "" for hit in hits])
    copies: dict[int, list[str]] = defaultdict(list)
    for place, hit in zip(places, hits, strict=True):
        copies[place].append(hit.passage.item_id)
    return [replace(hits[place], duplicates=tuple(ids[1:])) for place, ids in copies.items()]
