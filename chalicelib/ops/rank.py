"""Ranks a user's pages for a query: BM25 over pages and exact cosine over chunks, fused (model/ranking)."""

import logging
from collections.abc import Sequence

from msgspec import Struct

from chalicelib import errors
from chalicelib.model import ranking
from chalicelib.model.lexical import for_tsvector
from chalicelib.model.ranking import Fused, Mode
from chalicelib.providers import Embedder, Reranker
from chalicelib.stores import search as index
from chalicelib.stores.search import Chosen, Filters, Page
from chalicelib.stores.tx import Row, Tx

log = logging.getLogger("collections.search")
EMBED_TIMEOUT_S = 5.0
RERANK_TIMEOUT_S = 5.0


class Question(Struct, frozen=True, kw_only=True):
    """A query as it is looked up.

    `vector` is None when the embedder was away, which `missing` says, or was not to be asked.
    """

    text: str
    words: str
    mode: Mode
    vector: list[float] | None
    model: tuple[str, int]
    missing: tuple[str, ...]


class Ranking(Struct, frozen=True, kw_only=True):
    """Pages, best first.

    `vector` is the query's, None when it took no part; `best_chunk` has the chunk that the vectors chose for a
    page; `coverage`, of pages found by words, the share of the query's weight that they have.
    """

    scope: index.Scope
    vector: list[float] | None
    pages: list[Fused[Page]]
    best_chunk: dict[Page, int]
    coverage: dict[Page, float]
    semantic_weight: float
    missing: tuple[str, ...]

    def chosen(self, hits: Sequence[Fused[Page]]) -> list[Chosen]:
        return [(*hit.key, self.best_chunk.get(hit.key)) for hit in hits]


def prepare_question(query: str, *, embedder: Embedder, mode: Mode = "hybrid") -> Question:
    """Embeds the query. Without the embedder it goes on by words alone and says so.

    Raises Unavailable in mode "semantic", which has no words to go on by.
    """
    vector: list[float] | None = None
    missing: tuple[str, ...] = ()
    if mode != "lexical":
        try:
            vector = embedder.embed([query], timeout_s=EMBED_TIMEOUT_S)[0]
        except (errors.InvalidInput, errors.Unavailable) as error:  # too long for it, or away
            if mode == "semantic":
                raise
            log.warning("searching by words alone", extra={"error": error.code})
            missing = ("semantic",)
    return Question(
        text=query,
        words=for_tsvector(query),
        mode=mode,
        vector=vector,
        model=(embedder.model, embedder.dimensions),
        missing=missing,
    )


def rank_pages(tx: Tx, user_id: str, question: Question, *, filters: Filters) -> Ranking | None:
    """None: the user has nothing, not even a number in the index."""
    scope = index.find_scope(tx, user_id)
    if scope is None:
        return None
    lexical: dict[Page, tuple[float, float]] = {}
    if question.mode != "semantic":
        lexical = index.list_lexical(tx, scope, question.words, filters=filters, depth=ranking.DEPTH)
    missing, vector = question.missing, question.vector
    if vector is not None and (scope.model, scope.dimensions) != question.model:
        vector = None
        if scope.set_id is not None and question.mode == "semantic":
            raise errors.Unavailable("The items have no vectors of the model in use.", code="other_model")
        missing = missing if scope.set_id is None else ("semantic",)
    nearest: list[Row] = []
    if vector is not None:
        nearest = index.list_semantic(tx, scope, vector, filters=filters, depth=ranking.NEAREST_CHUNKS)
    weight = ranking.semantic_weight_for(question.text) if nearest else 0.0
    if question.mode == "semantic":
        weight = 1.0
    return fuse_pages(scope, lexical, nearest, weight=weight, vector=vector, missing=missing)


def fuse_pages(
    scope: index.Scope,
    lexical: dict[Page, tuple[float, float]],
    nearest: list[Row],
    *,
    weight: float,
    vector: list[float] | None = None,
    missing: tuple[str, ...] = (),
) -> Ranking:
    page_of: dict[int, Page] = {row["chunk_id"]: (row["item_id"], row["page"]) for row in nearest}
    cosines: dict[int, float] = {row["chunk_id"]: row["score"] for row in nearest}
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
    )


def rerank(query: str, texts: Sequence[str], *, reranker: Reranker) -> list[float] | None:
    """How well each answers the query; None when the reranker is away: the order then stays as it is."""
    try:
        return reranker.rerank(query, texts, timeout_s=RERANK_TIMEOUT_S) if texts else []
    except (errors.Unavailable, errors.InvalidInput) as error:
        log.warning("searching without the reranker", extra={"error": error.code})
        return None
