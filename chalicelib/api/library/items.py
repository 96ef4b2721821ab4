"""Items: list, read, their thumbnail, file, chunks and timeline; delete and process again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import quote

import msgspec
from msgspec import Meta
from msgspec.structs import asdict

from chalicelib import wiring
from chalicelib.api.http.routes import ListQuery, Query, Request, Response, Routes
from chalicelib.errors import NotFound
from chalicelib.model.library.items import DescribedItem, ItemEvent, ItemFilters, ItemRef, Status
from chalicelib.ops.ingest import manage
from chalicelib.ops.library import browse

routes = Routes("items")
Limit = Annotated[int, Meta(ge=1, le=100)]
Kind = Literal["image", "pdf"]
CollectionId = Annotated[str, Meta(min_length=1, max_length=64)]


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    message: str


class Location(msgspec.Struct, frozen=True, kw_only=True):
    latitude: float
    longitude: float


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """The analyzer's words on an item. `cached`: it was not asked, as you had asked it the same within a week."""

    category: str
    summary: str
    labels: list[str]
    text_in_image: str
    language: str | None
    provider: str
    model: str
    cached: bool


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """`taken_at` is the camera's local time. Nulls: not known yet, or not of this kind of file.

    `unread_pages` counts the scanned pages whose text has not been read off them: see Document.
    """

    object: Literal["item"] = "item"
    id: str
    status: Status
    kind: Kind | None
    name: str
    title: str | None
    media_type: str | None
    size_bytes: int | None
    sha256: str | None
    page_count: int | None
    unread_pages: int
    width_px: int | None
    height_px: int | None
    taken_at: str | None
    camera: str | None
    location: Location | None
    created_at: datetime
    updated_at: datetime
    ready_at: datetime | None
    thumbnail_url: str | None
    failure: Failure | None
    analysis: Analysis | None


class ItemList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Item]
    has_more: bool
    next: str | None


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A passage of a page; its offsets count characters of the page's text."""

    id: int
    source: Literal["text", "caption", "ocr"]
    page: int
    char_start: int
    char_end: int
    text: str


class ChunkList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Chunk]
    has_more: bool
    next: str | None


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    at: datetime
    stage: str | None
    event: str
    attempt: int | None
    message: str | None


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[TimelineEntry]
    has_more: bool
    next: str | None


class ListItems(ListQuery, frozen=True, kw_only=True):
    """`tag` is a label of the analysis; `text` is in the name, title, category or summary.

    `since` and `until` bound when items were created; the former is inclusive.
    """

    kind: Kind | None = None
    status: Status | None = None
    tag: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    text: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    since: Annotated[datetime, Meta(tz=True)] | None = None
    until: Annotated[datetime, Meta(tz=True)] | None = None
    collection_id: CollectionId | None = None


class PageQuery(Query, frozen=True, kw_only=True):
    limit: Limit = 100
    after: Annotated[int, Meta(ge=0, le=2**62)] = 0


def cache_headers(seconds: int) -> dict[str, str]:
    """Return headers that let the caller's browser keep an answer, and give it again to the same caller only."""
    return {
        "Cache-Control": f"private, max-age={seconds}",
        "Vary": "Authorization, X-Api-Key, Origin",
    }


def item_of(item: DescribedItem) -> Item:
    """Return the item as the API shows it."""
    location = None
    if item.latitude is not None and item.longitude is not None:
        location = Location(latitude=item.latitude, longitude=item.longitude)
    return Item(
        **{name: getattr(item, name) for name in _PLAIN},
        unread_pages=len(item.unread_pages),
        taken_at=item.taken_at.isoformat() if item.taken_at else None,
        location=location,
        thumbnail_url=f"/api/v1/items/{quote(item.id, safe='')}/thumbnail" if item.thumbnail_key else None,
        failure=failure_of(item.failure_code, item.failure_message),
        analysis=Analysis(**{name: getattr(item, name) for name in Analysis.__struct_fields__})
        if item.category
        else None,
    )


def failure_of(code: str | None, message: str | None) -> Failure | None:
    """Return an item's failure as the API shows it, None when it has not failed."""
    return Failure(code=code, message=message or "") if code else None


_FILTERS = ("kind", "status", "tag", "text", "since", "until", "collection_id")
_PLAIN = (
    *("id", "status", "kind", "name", "title", "media_type", "size_bytes", "sha256", "page_count"),
    *("width_px", "height_px", "camera", "created_at", "updated_at", "ready_at"),
)


@routes.get(
    "/api/v1/items",
    query=ListItems,
    returns=ItemList,
    errors=(NotFound,),
    summary="List items, newest first.",
)
def list_items(request: Request) -> ItemList:
    query: ListItems = request.query
    filters = ItemFilters(**{name: getattr(query, name) for name in _FILTERS})
    items, cursor = browse.list_items(
        request.user_id, filters, after=query.after, limit=query.limit, db=wiring.database()
    )
    return ItemList(data=[item_of(item) for item in items], has_more=cursor is not None, next=cursor)


@routes.get("/api/v1/items/{item_id}", returns=Item, summary="Read an item with its analysis.")
def get_item(request: Request) -> Item:
    return item_of(_read(request))


@routes.delete(
    "/api/v1/items/{item_id}", errors=(NotFound,), summary="Delete an item, its index entries and its files."
)
def delete_item(request: Request) -> None:
    manage.delete_item(_ref(request), db=wiring.database(), blobs=wiring.blobs())


@routes.post(
    "/api/v1/items/{item_id}/reprocess",
    returns=Item,
    status=202,
    keyed=True,
    cost="costly",
    summary="Process an item again from its file.",
)
def reprocess_item(request: Request) -> Item:
    return item_of(manage.reprocess_item(_ref(request), db=wiring.database(), queues=wiring.queues()))


@routes.get(
    "/api/v1/items/{item_id}/thumbnail",
    status=302,
    summary="Redirect to the thumbnail, at most 512 px, for an hour.",
)
def get_thumbnail(request: Request) -> Response:
    key = _read(request).thumbnail_key
    if key is None:
        raise NotFound("There is no thumbnail of this item.", code="no_thumbnail")
    url = wiring.blobs().presign_download(key, ttl_s=manage.DOWNLOAD_TTL_S, content_type="image/jpeg")
    return Response(status=302, headers={"Location": url, **cache_headers(300)})


@routes.get(
    "/api/v1/items/{item_id}/download", status=302, summary="Redirect to the uploaded file, for an hour."
)
def download_item(request: Request) -> Response:
    item = _read(request)
    url = wiring.blobs().presign_download(item.key, ttl_s=manage.DOWNLOAD_TTL_S, filename=item.name)
    return Response(status=302, headers={"Location": url})


@routes.get(
    "/api/v1/items/{item_id}/chunks",
    query=PageQuery,
    returns=ChunkList,
    summary="List an item's text, chunk by chunk.",
)
def list_chunks(request: Request) -> ChunkList:
    query: PageQuery = request.query
    found, cursor = browse.list_chunks(
        _ref(request), after=query.after, limit=query.limit, db=wiring.database()
    )
    data = [Chunk(**asdict(chunk)) for chunk in found]
    return ChunkList(data=data, has_more=cursor is not None, next=cursor)


@routes.get(
    "/api/v1/items/{item_id}/timeline",
    query=PageQuery,
    returns=Timeline,
    summary="All that happened to an item, in order.",
)
def get_timeline(request: Request) -> Timeline:
    query: PageQuery = request.query
    found, cursor = browse.read_timeline(
        _ref(request), after=query.after, limit=query.limit, db=wiring.database()
    )
    return timeline_of(found, cursor)


def timeline_of(found: Sequence[ItemEvent], cursor: str | None) -> Timeline:
    """Return a page of the timeline of an item or a run."""
    names = TimelineEntry.__struct_fields__
    data = [TimelineEntry(**{name: getattr(event, name) for name in names}) for event in found]
    return Timeline(data=data, has_more=cursor is not None, next=cursor)


def _ref(request: Request) -> ItemRef:
    return ItemRef(user_id=request.user_id, item_id=request.path["item_id"])


def _read(request: Request) -> DescribedItem:
    return browse.read_item(_ref(request), db=wiring.database())
