"""Ranks a user's pages for a query: BM25 over pages and exact cosine over chunks, fused (model/ranking)."""

import logging
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from chalicelib import errors
from chalicelib.model.search import ranking
from chalicelib.model.search.filters import Filters
from chalicelib.model.search.passages import NearChunk
from chalicelib.model.search.ranking import Fused
from chalicelib.ops.search.prepare import WITHOUT_MODEL, OtherGeneration, PreparedQuery
from chalicelib.providers import Reranker
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import lookup
from chalicelib.stores.search.lookup import Chosen, Page, SearchScope

log = logging.getLogger("collections.search")
RERANK_TIMEOUT_S = 5.0


class Ranking(Struct, frozen=True, kw_only=True):
    """Pages, best first.

    `vector` is the query's vector, None if vectors were not used. `best_chunk` has the best chunk by vectors of each
    page. `coverage` has, for each page found by words, the share of the query's weight that its words have. `shown`
    has how near, 0..1, what an image shows is to the query.
    """

    scope: SearchScope
    vector: list[float] | None
    pages: list[Fused[Page]]
    best_chunk: dict[Page, int]
    coverage: dict[Page, float]
    semantic_weight: float
    missing: tuple[str, ...]
    query: str
    shown: Mapping[Page, float] = {}

    def relevance(self, hit: Fused[Page]) -> float:
        """Return how relevant the page is to the query, 0..1; from ranking.RELEVANT on it is relevant."""
        # A page that is not among the nearest is far: its cosine is not looked up.
        far = 0.0 if self.semantic_weight else None
        cosine = far if hit.semantic_score is None else hit.semantic_score
        coverage = self.coverage.get(hit.key)
        by_text = ranking.relevance(
            semantic_score=cosine, coverage=coverage, model=self.scope.model, query=self.query
        )
        return max(by_text, self.shown.get(hit.key, 0.0))

    def chosen(self, hits: Sequence[Fused[Page]]) -> list[Chosen]:
        return [(*hit.key, self.best_chunk.get(hit.key)) for hit in hits]


def rank_pages(tx: Tx, user_id: str, question: PreparedQuery, *, filters: Filters) -> Ranking | None:
    """Rank the user's pages for a query. Return None when nothing of the user's was ever indexed.

    Raise OtherGeneration when the query has to be embedded by another model.
    """
    scope = lookup.find_scope(tx, user_id)
    if scope is None:
        return None
    live = next((model for model in question.others if model == (scope.model, scope.dimensions)), None)
    if live is not None and question.vector is not None:
        raise OtherGeneration(live)
    lexical: dict[Page, tuple[float, float]] = {}
    if question.mode != "semantic":
        lexical = lookup.list_lexical(tx, scope, question.words, filters=filters, depth=ranking.DEPTH)
    missing, vector = question.missing, question.vector
    if vector is not None and (scope.model, scope.dimensions) != question.model:
        vector = None
        if scope.set_id is not None and question.mode == "semantic":
            raise errors.Unavailable(
                "No item has a vector of the model in use; search in mode lexical.", code="other_model"
            )
        missing = missing if scope.set_id is None else ("semantic",)
    weight = 1.0
    if question.mode == "hybrid":
        most = max((share for _, share in lexical.values()), default=0.0)
        weight = ranking.semantic_weight_for(question.text, model=scope.model, coverage=most)
    nearest: list[NearChunk] = []
    if vector is not None and weight:
        nearest = lookup.list_semantic(tx, scope, vector, filters=filters, depth=ranking.NEAREST_CHUNKS)
    shown: list[NearChunk] | None = []
    if vector is not None and weight and question.picture is not None:
        shown = _list_shown(tx, scope, question, filters)
        missing = missing if shown is not None else (*missing, "pictures")
    if not nearest and not shown and question.mode != "semantic":
        weight = 0.0
    return fuse_pages(
        scope,
        lexical,
        nearest,
        weight=weight,
        vector=vector,
        missing=missing,
        query=question.text,
        shown=shown or (),
    )


def _list_shown(
    tx: Tx, scope: SearchScope, question: PreparedQuery, filters: Filters
) -> list[NearChunk] | None:
    """Return the captions of the images that show what is looked for; None where another model's set is live."""
    pictures = lookup.find_pictures(tx, scope)
    if pictures is None or question.picture is None:
        return []
    if (pictures.model, pictures.dimensions) != question.picture_model:
        return None
    return lookup.list_semantic(tx, pictures, question.picture, filters=filters, depth=ranking.DEPTH)


def fuse_pages(
    scope: SearchScope,
    lexical: dict[Page, tuple[float, float]],
    nearest: list[NearChunk],
    *,
    weight: float,
    vector: list[float] | None = None,
    missing: tuple[str, ...] = (),
    query: str = "",
    shown: Sequence[NearChunk] = (),
) -> Ranking:
    """Fuse pages found by words and chunks found by meaning. `weight` (0..1) is the share of the chunks.

    `shown` are captions whose images are near, in the space of pictures: a chunk counts by the better one of both.
    """
    page_of: dict[int, Page] = {chunk.chunk_id: (chunk.item_id, chunk.page) for chunk in (*nearest, *shown)}
    cosines: dict[int, float] = {chunk.chunk_id: chunk.score for chunk in nearest}
    for chunk in shown:
        as_near = ranking.cosine_as_near(chunk.score, model=scope.model, query=query)
        cosines[chunk.chunk_id] = max(cosines.get(chunk.chunk_id, -1.0), as_near)
    best = ranking.best_children(cosines, page_of.__getitem__)
    semantic = {page: cosine for page, (_, cosine) in list(best.items())[: ranking.DEPTH]}
    words = {page: score for page, (score, _) in lexical.items()}
    return Ranking(
        scope=scope,
        vector=vector,
        pages=ranking.fuse(words, semantic, semantic_weight=weight),
        best_chunk={page: chunk_id for page, (chunk_id, _) in best.items()},
        coverage={page: share for page, (_, share) in lexical.items()},
        semantic_weight=weight,
        missing=missing,
        query=query,
        shown={page_of[chunk.chunk_id]: ranking.nearness_of_picture(chunk.score) for chunk in shown},
    )


def put_before(first: Ranking, second: Ranking) -> Ranking:
    """Return both rankings as one: the pages of the first have the scores from 0.5 on, the others those below."""
    known = {hit.key for hit in first.pages}
    others = [hit for hit in second.pages if hit.key not in known]
    pages = [
        replace(hit, score=base + hit.score / 2, semantic_part=base + hit.semantic_part / 2)
        for base, hits in ((0.5, first.pages), (0.0, others))
        for hit in hits
    ]
    return replace(second, pages=pages, best_chunk={**second.best_chunk, **first.best_chunk})


def rerank(query: str, texts: Sequence[str], *, reranker: Reranker) -> list[float] | None:
    """Return a score for each text, higher is better; None when the reranker is not available."""
    try:
        return reranker.rerank(query, texts, timeout_s=RERANK_TIMEOUT_S) if texts else []
    except WITHOUT_MODEL as error:
        log.warning("searching without the reranker", extra={"error": error.code})
        return None
