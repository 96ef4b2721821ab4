"""Search: images and pages in one list, by words and by meaning, or by an item as the example."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from chalicelib import wiring
from chalicelib.api.http.routes import Body, Query, Request, Routes
from chalicelib.api.library.items import CollectionId, Kind
from chalicelib.api.search.search_response import SearchResponse, response_of
from chalicelib.errors import BudgetSpent, InvalidInput, NotFound
from chalicelib.model.library.items import ItemRef
from chalicelib.model.paging import window_in_utc
from chalicelib.model.search.filters import Filters
from chalicelib.model.search.language import language_of
from chalicelib.model.search.listing import Cut, Group, decode_place, fingerprint
from chalicelib.model.search.ranking import Mode
from chalicelib.model.usage.usage import Owner
from chalicelib.ops.search import search
from chalicelib.ops.usage import meter as meters
from chalicelib.ops.usage import metered

routes = Routes("search")
ItemId = Annotated[str, Meta(min_length=1, max_length=220)]
PageNumber = Annotated[int, Meta(ge=1, le=100_000)]
Limit = Annotated[int, Meta(ge=1, le=50)]


class PageRange(Body, frozen=True, kw_only=True):
    """Both inclusive. An image is a page 1."""

    first: PageNumber = msgspec.field(default=1, name="from")
    last: PageNumber | None = msgspec.field(default=None, name="to")


class SearchFilters(Body, frozen=True, kw_only=True):
    """Conditions on the items searched; `since` (inclusive) and `until` (exclusive) bound when they were created."""

    item_ids: Annotated[list[ItemId], Meta(max_length=1000)] | None = None
    tag: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    collection_id: CollectionId | None = None
    since: Annotated[datetime, Meta(tz=True)] | None = None
    until: Annotated[datetime, Meta(tz=True)] | None = None
    pages: PageRange | None = None


class SearchRequest(Body, frozen=True, kw_only=True):
    """Either `query` or `item_id`, whose nearest are wanted. `mode`: by words, by meaning, or by both.

    Only relevant matches are found, unless `include_weaker`. `group`: a hit for each item, or for each page; if it is
    left out, for each page when `filters.item_ids` has one item. `after` is `next` of the answer before.
    """

    query: Annotated[str, Meta(min_length=1, max_length=2000)] | None = None
    item_id: ItemId | None = None
    kinds: Annotated[list[Kind], Meta(min_length=1, max_length=2)] | None = None
    filters: SearchFilters = SearchFilters()
    mode: Mode = "hybrid"
    group: Group | None = None
    include_weaker: bool = False
    limit: Limit = 10
    after: Annotated[str, Meta(min_length=1, max_length=1024)] | None = None
    explain: bool = False
    facets: bool = False


class ListSimilar(Query, frozen=True, kw_only=True):
    limit: Limit = 10
    kind: Kind | None = None


@routes.post(
    "/api/v1/search",
    body=SearchRequest,
    returns=SearchResponse,
    errors=(BudgetSpent, NotFound),
    scope="read",
    cost="costly",
    summary="Search images and pages.",
)
def search_items(request: Request) -> SearchResponse:
    body: SearchRequest = request.body
    filters = _filters(body)
    if (body.query is None) == (body.item_id is None):
        raise InvalidInput("Give either `query` or `item_id`.", field="query")
    search_name = _fingerprint(body)
    cut = _cut(body, search_name)
    if body.item_id is not None:
        found = _similar(request, body, body.item_id, filters, cut)
        return response_of(found, explain=body.explain, language=None, search_name=search_name)
    assert body.query is not None
    if not body.query.strip():
        raise InvalidInput("There is nothing to search for.", field="query")
    owner, reranker = Owner(user_id=request.user_id), wiring.reranker()
    meter = meters.Meter(owner, db=wiring.database(), budgets=wiring.settings().budgets)
    answer = search.search_items(
        request.user_id,
        body.query,
        filters=filters,
        cut=cut,
        mode=body.mode,
        facets=body.facets,
        db=wiring.database(),
        embedder=metered.MeteredEmbedder(wiring.embedder(), meter),
        reranker=metered.MeteredReranker(reranker, meter) if reranker else None,
    )
    language = language_of(body.query)
    return response_of(answer, explain=body.explain, language=language, search_name=search_name)


@routes.get(
    "/api/v1/items/{item_id}/similar",
    query=ListSimilar,
    returns=SearchResponse,
    errors=(NotFound,),
    cost="costly",
    summary="List the items nearest to an item, by meaning.",
)
def list_similar(request: Request) -> SearchResponse:
    query: ListSimilar = request.query
    ref = ItemRef(user_id=request.user_id, item_id=request.path["item_id"])
    filters = Filters(kinds=(query.kind,) if query.kind else None)
    cut = Cut(limit=query.limit)
    answer = search.search_by_example(ref, filters=filters, cut=cut, db=wiring.database())
    return response_of(answer, explain=False, language=None)


def _similar(
    request: Request, body: SearchRequest, item_id: str, filters: Filters, cut: Cut
) -> "search.SearchResult":
    if body.mode == "lexical":
        raise InvalidInput("An example is compared by meaning.", field="mode")
    return search.search_by_example(
        ItemRef(user_id=request.user_id, item_id=item_id),
        filters=filters,
        cut=cut,
        facets=body.facets,
        db=wiring.database(),
    )


def _fingerprint(body: SearchRequest) -> str:
    return fingerprint(
        body.query, body.item_id, body.kinds, body.filters, body.mode, body.group, body.include_weaker
    )


def _cut(body: SearchRequest, search_name: str) -> Cut:
    only = body.filters.item_ids
    return Cut(
        limit=body.limit,
        group=body.group or ("page" if only is not None and len(only) == 1 else "item"),
        include_weaker=body.include_weaker,
        after=decode_place(body.after, search_name) if body.after else None,
    )


def _filters(body: SearchRequest) -> Filters:
    given = body.filters
    since, until = window_in_utc(given.since, given.until, path="filters.")
    pages = given.pages or PageRange()
    if pages.last is not None and pages.last < pages.first:
        raise InvalidInput("It must not be less than `from`.", field="filters.pages.to")
    return Filters(
        kinds=tuple(body.kinds) if body.kinds else None,
        item_ids=tuple(given.item_ids) if given.item_ids is not None else None,
        tag=given.tag,
        collection_id=given.collection_id,
        since=since,
        until=until,
        first_page=pages.first if given.pages else None,
        last_page=pages.last,
    )
