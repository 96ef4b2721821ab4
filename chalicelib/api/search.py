"""Search: images and pages in one list, by words and by meaning, or by an item as the example."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib import wiring
from chalicelib.api.http import Body, Request, Routes
from chalicelib.api.items import Kind
from chalicelib.errors import InvalidInput, NotFound
from chalicelib.model.pipeline import ItemRef
from chalicelib.ops import browse, search
from chalicelib.ops.search import Filters

routes = Routes("search")
ItemId = Annotated[str, Meta(min_length=1, max_length=220)]


class SearchFilters(Body, frozen=True, kw_only=True):
    """Of the items searched; `since` and `until` bound when they were created."""

    item_ids: Annotated[list[ItemId], Meta(max_length=1000)] | None = None
    tag: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    since: Annotated[datetime, Meta(tz=True)] | None = None
    until: Annotated[datetime, Meta(tz=True)] | None = None


class SearchRequest(Body, frozen=True, kw_only=True):
    """Either `query` or `item_id`."""

    query: Annotated[str, Meta(min_length=1, max_length=2000)] | None = None
    item_id: ItemId | None = None
    kinds: Annotated[list[Kind], Meta(min_length=1, max_length=2)] | None = None
    filters: SearchFilters = SearchFilters()
    limit: Annotated[int, Meta(ge=1, le=50)] = 10
    explain: bool = False


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Both scores as they are (BM25; cosine similarity) and both ranks from 1; null: not in that list."""

    lexical_score: float | None
    lexical_rank: int | None
    semantic_score: float | None
    semantic_rank: int | None
    semantic_weight: float


class SearchHit(msgspec.Struct, frozen=True, kw_only=True):
    """An item by its best passage. `score` is 0..1 within this answer; `highlights` are offsets into `snippet`."""

    item_id: str
    name: str
    kind: Kind
    page: int | None
    also_on_pages: list[int]
    chunk_id: int
    source: Literal["text", "caption", "ocr"]
    char_start: int
    char_end: int
    snippet: str
    highlights: list[tuple[int, int]]
    score: float
    explain: Explanation | None


class SearchAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`missing` names what could not take part just now."""

    object: Literal["list"] = "list"
    data: list[SearchHit]
    missing: list[Literal["semantic"]]


@routes.post(
    "/api/v1/search",
    body=SearchRequest,
    returns=SearchAnswer,
    errors=(NotFound,),
    scope="read",
    cost="costly",
    summary="Search images and pages.",
)
def search_items(request: Request) -> SearchAnswer:
    body: SearchRequest = request.body
    filters = _filters(body)
    if (body.query is None) == (body.item_id is None):
        raise InvalidInput("Give either `query` or `item_id`.", field="query")
    if body.item_id is not None:
        ref = ItemRef(user_id=request.user_id, item_id=body.item_id)
        answer = search.search_by_example(ref, filters=filters, limit=body.limit, db=wiring.database())
    else:
        assert body.query is not None
        if not body.query.strip():
            raise InvalidInput("There is nothing to search for.", field="query")
        answer = search.search_items(
            request.user_id,
            body.query,
            filters=filters,
            limit=body.limit,
            db=wiring.database(),
            embedder=wiring.embedder(),
        )
    hits = [_hit(hit, answer, explain=body.explain) for hit in answer.hits]
    return SearchAnswer(data=hits, missing=list(answer.missing))  # type: ignore[arg-type]


def _filters(body: SearchRequest) -> Filters:
    given = body.filters
    since, until = browse.window_in_utc(given.since, given.until, path="filters.")
    return Filters(
        kinds=tuple(body.kinds) if body.kinds else None,
        item_ids=tuple(given.item_ids) if given.item_ids is not None else None,
        tag=given.tag,
        since=since,
        until=until,
    )


def _hit(hit: search.Hit, answer: search.Answer, *, explain: bool) -> SearchHit:
    passage, rank = hit.passage, hit.rank
    paged = passage["kind"] == "pdf"
    explanation = Explanation(
        lexical_score=rank.lexical_score,
        lexical_rank=rank.lexical_rank,
        semantic_score=rank.semantic_score,
        semantic_rank=rank.semantic_rank,
        semantic_weight=answer.semantic_weight,
    )
    return SearchHit(
        **{
            name: passage[name]
            for name in ("item_id", "name", "kind", "chunk_id", "source", "char_start", "char_end")
        },
        page=passage["page"] if paged else None,
        also_on_pages=list(hit.also_on_pages) if paged else [],
        snippet=hit.snippet.text,
        highlights=list(hit.snippet.highlights),
        score=rank.score,
        explain=explanation if explain else None,
    )
