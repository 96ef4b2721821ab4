"""Shapes a search result for the API: hits, the parts of their scores, and facets."""

from typing import Literal

import msgspec
from msgspec.structs import asdict

from chalicelib.api.library.items import Kind
from chalicelib.api.library.pictures import pictures_of
from chalicelib.model.search.listing import encode_place
from chalicelib.ops.search import search


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a hit's score.

    Scores are BM25 and cosine similarity, which for an image found by what it shows is brought to the scale of texts;
    ranks count from 1; null: the page is not in that list. The score is the sum of both parts. `coverage` is the share
    (0..1) of the query's weight that the words found on the page have. `rerank_score` replaces the score when a
    reranker took part. `language` is the query's, null when it is not clear.
    """

    lexical_score: float | None
    lexical_rank: int | None
    lexical_part: float
    semantic_score: float | None
    semantic_rank: int | None
    semantic_part: float
    semantic_weight: float
    coverage: float | None
    rerank_score: float | None
    language: str | None


class SearchHit(msgspec.Struct, frozen=True, kw_only=True):
    """An item or a page, by its best passage. `highlights` are offsets into `snippet`.

    `score` is 0..1 among the matches of this search. `relevance` is 0..1 whatever else was found, and the hit is
    relevant from 0.5 on; null for the nearest of an example. `also_on_pages` is empty when pages are hits themselves.
    `duplicates`: documents left out because their best passage says the same. `thumbnail_url`: a small picture of the
    page or image. `page_image_url`: the page with the passage marked; it and `page_url` are null for an image.
    """

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
    relevance: float | None
    duplicates: list[str]
    thumbnail_url: str | None
    page_url: str | None
    page_image_url: str | None
    explain: Explanation | None


class FacetValue(msgspec.Struct, frozen=True, kw_only=True):
    """`value` is what to filter by; `name` is a collection's."""

    value: str
    name: str | None
    count: int


class Facets(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of the values that the items of all hits have, the most frequent first, at most 50 per facet.

    Months are of the items' creation, as 2026-08.
    """

    kind: list[FacetValue]
    tag: list[FacetValue]
    collection: list[FacetValue]
    month: list[FacetValue]


class SearchResponse(msgspec.Struct, frozen=True, kw_only=True):
    """`weaker` is the number of matches that are left out because they are not relevant: see `include_weaker`.

    `missing` names what could not take part just now: semantic, too, when the example has no vectors yet.
    """

    object: Literal["list"] = "list"
    data: list[SearchHit]
    has_more: bool
    next: str | None
    weaker: int
    missing: list[Literal["semantic", "pictures", "reranker"]]
    facets: Facets | None


def response_of(
    found: "search.SearchResult", *, explain: bool, language: str | None, search_name: str | None = None
) -> SearchResponse:
    """Shape the result. `search_name` is the search's fingerprint, None for a list that has no further pages."""
    cursor = encode_place(found.next, search_name) if found.next and search_name else None
    facets = None
    if found.facets is not None:
        values: dict[str, list[FacetValue]] = {name: [] for name in Facets.__struct_fields__}
        for row in found.facets:
            values[row.facet].append(FacetValue(value=row.value, name=row.name, count=row.count))
        facets = Facets(**values)
    return SearchResponse(
        data=[_hit(hit, _explanation(hit, found, language) if explain else None) for hit in found.hits],
        has_more=cursor is not None,
        next=cursor,
        weaker=found.weaker,
        missing=list(found.missing),  # type: ignore[arg-type]
        facets=facets,
    )


def _explanation(hit: "search.Hit", found: "search.SearchResult", language: str | None) -> Explanation:
    rank = hit.rank
    return Explanation(
        lexical_score=rank.lexical_score,
        lexical_rank=rank.lexical_rank,
        lexical_part=rank.lexical_part,
        semantic_score=rank.semantic_score,
        semantic_rank=rank.semantic_rank,
        semantic_part=rank.semantic_part,
        semantic_weight=found.semantic_weight,
        coverage=hit.coverage,
        rerank_score=hit.rerank_score,
        language=language,
    )


def _hit(hit: "search.Hit", explanation: Explanation | None) -> SearchHit:
    passage, snippet = hit.passage, hit.snippet
    paged = passage.kind == "pdf"
    span = (passage.char_start, passage.char_end)
    pictures = pictures_of(passage.item_id, passage.kind, passage.page, source=passage.source, span=span)
    return SearchHit(
        item_id=passage.item_id,
        name=passage.name,
        kind=passage.kind,
        page=passage.page if paged else None,
        chunk_id=passage.chunk_id,
        source=passage.source,
        char_start=passage.char_start,
        char_end=passage.char_end,
        **asdict(pictures),
        also_on_pages=list(hit.also_on_pages) if paged else [],
        snippet=snippet.text,
        highlights=list(snippet.highlights),
        score=hit.score,
        relevance=hit.relevance,
        duplicates=list(hit.duplicates),
        explain=explanation,
    )
