"""Finds the passages of a user's texts that an answer to a question can be made from."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.model.ingest.chunking import most_tokens
from chalicelib.model.library.page_text import join_chunks
from chalicelib.model.search.filters import Filters
from chalicelib.model.search.joining import Piece, join_best, score_pieces
from chalicelib.model.search.passages import PageChunk
from chalicelib.ops.search.prepare import PreparedQuery, with_live_model
from chalicelib.ops.search.rank import Ranking, rank_pages, rerank
from chalicelib.providers import Embedder, Reranker
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import lookup

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

MOST_PAGES = 32  # passages come from so many pages at most
MOST_CHUNKS = 64  # so many chunks of one page are read at most
FOR_RERANKING = 3  # times the wanted number of tokens, so that the reranker can choose


class Passage(Struct, frozen=True, kw_only=True):
    """Text of one page: neighbouring chunks, joined.

    `source` is "text", "caption" or "ocr". `text` lies between the two offsets in the page's text of that source. An
    image has only page 1. `score` is 0..1, relative to the other passages found. `lexical_score` is the page's BM25.
    `coverage` is the share of the query's weight that the words found on the page have. `semantic_score` is the cosine
    of the passage's best chunk. A value is None when the page was not found in that way.
    """

    item_id: str
    name: str
    kind: str
    source: str
    page: int
    char_start: int
    char_end: int
    text: str
    score: float
    lexical_score: float | None
    semantic_score: float | None
    coverage: float | None


class Passages(Struct, frozen=True, kw_only=True):
    """Passages, best first. `missing` names the parts of the search that were not available: "semantic", "reranker".

    `model` made the vectors that the cosines are of; None without vectors. `query` is what was looked for.
    """

    passages: tuple[Passage, ...]
    missing: tuple[str, ...]
    model: str | None = None
    query: str = ""


def find_passages(
    user_id: str,
    query: str,
    *,
    filters: Filters,
    max_tokens: int,
    db: "Database",
    embedder: Embedder,
    reranker: Reranker | None = None,
) -> Passages:
    """Return the best passages that fit into `max_tokens` together; no passage repeats another.

    A collection that is gone has no passages.
    """
    room = max_tokens * FOR_RERANKING if reranker else max_tokens

    def read(tx: Tx, question: PreparedQuery) -> tuple[list[Passage], tuple[str, ...], str | None]:
        ranked = rank_pages(tx, user_id, question, filters=filters)
        if ranked is None:
            return [], question.missing, None
        chosen = ranked.chosen(ranked.pages[:MOST_PAGES])
        chunks = lookup.list_page_chunks(
            tx, ranked.scope, question.words, ranked.vector, chosen, most=MOST_CHUNKS
        )
        return _joined(chunks, ranked, max_tokens=room), ranked.missing, ranked.scope.model

    found, missing, model = with_live_model(
        query,
        lambda question: db.transact(user_id, lambda tx: read(tx, question)),
        embedder=embedder,
        db=db,
    )
    if reranker:
        scores = rerank(query, [passage.text for passage in found], reranker=reranker)
        if scores is None:
            missing = (*missing, "reranker")
        else:
            pairs = sorted(zip(scores, found, strict=True), key=lambda pair: -pair[0])
            found = [replace(passage, score=min(max(score, 0.0), 1.0)) for score, passage in pairs]
    return Passages(passages=tuple(_within(found, max_tokens)), missing=missing, model=model, query=query)


def _joined(chunks: list[PageChunk], ranked: Ranking, *, max_tokens: int) -> list[Passage]:
    pieces = [_piece(chunk, ranked) for chunk in chunks]
    scores = score_pieces(pieces, semantic_weight=ranked.semantic_weight)
    return [
        _passage([chunks[n] for n in run], ranked, score=max(scores[n] for n in run))
        for run in join_best(pieces, scores, max_tokens=max_tokens)
    ]


def _piece(chunk: PageChunk, ranked: Ranking) -> Piece:
    return Piece(
        page=(chunk.item_id, chunk.page, chunk.source),
        page_score=ranked.pages[chunk.position - 1].score,
        ordinal=chunk.ordinal,
        char_start=chunk.char_start,
        char_end=chunk.char_end,
        text=chunk.text,
        words=chunk.words,
        cosine=chunk.cosine,
        likeness=chunk.likeness,
    )


def _passage(chunks: list[PageChunk], ranked: Ranking, *, score: float) -> Passage:
    first, last = chunks[0], chunks[-1]
    hit = ranked.pages[first.position - 1]
    cosines = [chunk.cosine for chunk in chunks if chunk.cosine is not None]
    return Passage(
        item_id=first.item_id,
        name=first.name,
        kind=first.kind,
        source=first.source,
        page=first.page,
        char_start=first.char_start,
        char_end=last.char_end,
        text=join_chunks((chunk.char_start - first.char_start, chunk.text) for chunk in chunks),
        score=score,
        lexical_score=hit.lexical_score,
        semantic_score=max(cosines, default=None),
        coverage=ranked.coverage.get(hit.key),
    )


def _within(passages: list[Passage], max_tokens: int) -> Iterator[Passage]:
    """Yield passages in order while they fit into `max_tokens`; skip one that does not fit."""
    room = max_tokens
    for passage in passages:
        tokens = most_tokens(passage.text)
        if tokens <= room:
            room -= tokens
            yield passage
