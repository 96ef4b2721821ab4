"""Ranks a user's pages for a query: BM25 over pages and exact cosine over chunks, fused (model/ranking)."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from chalicelib import errors
from chalicelib.model.search import ranking
from chalicelib.model.search.filters import Filters
from chalicelib.model.search.lexical import for_tsvector
from chalicelib.model.search.passages import NearChunk
from chalicelib.model.search.ranking import Fused, Mode
from chalicelib.providers import Embedder, Reranker, models_of
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import generations, lookup
from chalicelib.stores.search.lookup import Chosen, Page, SearchScope

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

T = TypeVar("T")
PROMOTIONS = 10  # within one search; more than one is an operator who goes back and forth
log = logging.getLogger("collections.search")
# Too long for the model, it is not available, or it may cost no more: the search goes on without it.
WITHOUT_MODEL = (errors.InvalidInput, errors.Unavailable, errors.BudgetSpent)
EMBED_TIMEOUT_S = 5.0
RERANK_TIMEOUT_S = 5.0


class PreparedQuery(Struct, frozen=True, kw_only=True):
    """A query ready to be looked up: its words, its vector, and the (model, dimensions) that made the vector.

    `vector` is None in mode "lexical", and when the embedder was not available; `missing` then names it. `others` are
    the models that are configured beside it.
    """

    text: str
    words: str
    mode: Mode
    vector: list[float] | None
    model: tuple[str, int]
    missing: tuple[str, ...]
    others: tuple[tuple[str, int], ...] = ()


class OtherGeneration(Exception):
    """Another model's set is live than the one that embedded the query, and that model is configured too."""

    def __init__(self, model: tuple[str, int]) -> None:
        super().__init__(model)
        self.model = model


class Ranking(Struct, frozen=True, kw_only=True):
    """Pages, best first.

    `vector` is the query's vector, None if vectors were not used. `best_chunk` has the best chunk by vectors of each
    page. `coverage` has, for each page found by words, the share of the query's weight that its words have.
    """

    scope: SearchScope
    vector: list[float] | None
    pages: list[Fused[Page]]
    best_chunk: dict[Page, int]
    coverage: dict[Page, float]
    semantic_weight: float
    missing: tuple[str, ...]
    query: str

    def relevance(self, hit: Fused[Page]) -> float:
        """Return how relevant the page is to the query, 0..1; from ranking.RELEVANT on it is relevant."""
        # A page that is not among the nearest is far: its cosine is not looked up.
        far = 0.0 if self.semantic_weight else None
        cosine = far if hit.semantic_score is None else hit.semantic_score
        coverage = self.coverage.get(hit.key)
        return ranking.relevance(
            semantic_score=cosine, coverage=coverage, model=self.scope.model, query=self.query
        )

    def chosen(self, hits: Sequence[Fused[Page]]) -> list[Chosen]:
        return [(*hit.key, self.best_chunk.get(hit.key)) for hit in hits]


def with_live_model(
    query: str,
    answer: Callable[[PreparedQuery], T],
    *,
    embedder: Embedder,
    mode: Mode = "hybrid",
    db: "Database",
) -> T:
    """Return what `answer` makes of the query, embedded by the model whose set is live.

    When a generation is promoted in between, `answer` is called again with the other model's vector: no search mixes
    two generations.
    """
    chosen = embedder
    if embedder.next is not None:
        chosen = _of_model(embedder, db.transact("", generations.find_live_model))
    for _ in range(PROMOTIONS):
        try:
            return answer(prepare_query(query, embedder=chosen, mode=mode, all_models=models_of(embedder)))
        except OtherGeneration as other:
            chosen = _of_model(embedder, other.model)
    raise errors.Unavailable("The search index is being changed; try again soon.", code="index_changing")


def _of_model(embedder: Embedder, model: tuple[str, int] | None) -> Embedder:
    found = (each for each in models_of(embedder) if (each.model, each.dimensions) == model)
    return next(found, embedder)


def prepare_query(
    query: str, *, embedder: Embedder, mode: Mode = "hybrid", all_models: Sequence[Embedder] = ()
) -> PreparedQuery:
    """Embed the query. Without the embedder the search goes on by words alone, and `missing` says so.

    Raise Unavailable, BudgetSpent, or InvalidInput for a query that is too long to embed, in mode "semantic".
    """
    vector: list[float] | None = None
    missing: tuple[str, ...] = ()
    if mode != "lexical":
        try:
            vector = embedder.embed([query], purpose="query", timeout_s=EMBED_TIMEOUT_S)[0]
        except WITHOUT_MODEL as error:
            if mode == "semantic":
                raise
            log.warning("searching by words alone", extra={"error": error.code})
            missing = ("semantic",)
    return PreparedQuery(
        text=query,
        words=for_tsvector(query),
        mode=mode,
        vector=vector,
        model=(embedder.model, embedder.dimensions),
        missing=missing,
        others=tuple((each.model, each.dimensions) for each in all_models if each is not embedder),
    )


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
    if not nearest and question.mode != "semantic":
        weight = 0.0
    return fuse_pages(
        scope, lexical, nearest, weight=weight, vector=vector, missing=missing, query=question.text
    )


def fuse_pages(
    scope: SearchScope,
    lexical: dict[Page, tuple[float, float]],
    nearest: list[NearChunk],
    *,
    weight: float,
    vector: list[float] | None = None,
    missing: tuple[str, ...] = (),
    query: str = "",
) -> Ranking:
    """Fuse pages found by words and chunks found by meaning. `weight` (0..1) is the share of the chunks."""
    page_of: dict[int, Page] = {chunk.chunk_id: (chunk.item_id, chunk.page) for chunk in nearest}
    cosines: dict[int, float] = {chunk.chunk_id: chunk.score for chunk in nearest}
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
