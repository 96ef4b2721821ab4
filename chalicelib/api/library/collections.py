"""Collections: named sets of items. Searches and conversations may be bounded to one."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import asdict

from chalicelib import wiring
from chalicelib.api.http.fields import UniqueName
from chalicelib.api.http.routes import Body, ListQuery, Request, Response, Routes
from chalicelib.api.library.items import ItemList, item_of
from chalicelib.errors import Conflict, NotFound
from chalicelib.model.library.collections import StoredCollection
from chalicelib.model.library.items import ItemFilters
from chalicelib.ops.library import browse, collections

routes = Routes("collections")
Description = Annotated[str, Meta(max_length=2000)]
ItemId = Annotated[str, Meta(min_length=1, max_length=220)]


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """`updated_at`: of its name, its description, or what was put in last."""

    object: Literal["collection"] = "collection"
    id: str
    name: str
    description: str
    item_count: int
    created_at: datetime
    updated_at: datetime


class CollectionList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Collection]
    has_more: bool
    next: str | None


class NewCollection(Body, frozen=True, kw_only=True):
    name: UniqueName
    description: Description = ""


class CollectionChange(Body, frozen=True, kw_only=True):
    name: UniqueName | UnsetType = UNSET
    description: Description | UnsetType = UNSET


class AddedItems(Body, frozen=True, kw_only=True):
    item_ids: Annotated[list[ItemId], Meta(min_length=1, max_length=100)]


@routes.post(
    "/api/v1/collections",
    body=NewCollection,
    returns=Collection,
    status=201,
    errors=(Conflict,),
    keyed=True,
    summary="Make a collection.",
)
def create_collection(request: Request) -> Response:
    made = collections.create_collection(
        request.user_id,
        str(request.creation_id),
        name=request.body.name,
        description=request.body.description,
        db=wiring.database(),
    )
    return Response(_collection(made), headers={"Location": f"/api/v1/collections/{made.id}"})


@routes.get(
    "/api/v1/collections", query=ListQuery, returns=CollectionList, summary="List collections, newest first."
)
def list_collections(request: Request) -> CollectionList:
    query: ListQuery = request.query
    found, cursor = collections.list_collections(
        request.user_id, after=query.after, limit=query.limit, db=wiring.database()
    )
    return CollectionList(
        data=[_collection(each) for each in found], has_more=cursor is not None, next=cursor
    )


@routes.get("/api/v1/collections/{collection_id}", returns=Collection, summary="Read a collection.")
def get_collection(request: Request) -> Collection:
    return _collection(collections.read_collection(*_which(request), db=wiring.database()))


@routes.patch(
    "/api/v1/collections/{collection_id}",
    body=CollectionChange,
    returns=Collection,
    errors=(NotFound, Conflict),
    summary="Change a collection's name or description.",
)
def change_collection(request: Request) -> Collection:
    change: CollectionChange = request.body
    changed = collections.change_collection(
        *_which(request),
        name=None if change.name is UNSET else change.name,
        description=None if change.description is UNSET else change.description,
        db=wiring.database(),
    )
    return _collection(changed)


@routes.delete(
    "/api/v1/collections/{collection_id}",
    errors=(NotFound,),
    summary="Delete a collection; its items stay.",
)
def delete_collection(request: Request) -> None:
    collections.delete_collection(*_which(request), db=wiring.database())


@routes.post(
    "/api/v1/collections/{collection_id}/items",
    body=AddedItems,
    returns=Collection,
    errors=(NotFound,),
    keyed=True,
    summary="Put items into a collection: all of them, or none when one does not exist.",
)
def add_collection_items(request: Request) -> Collection:
    held = collections.add_items(*_which(request), request.body.item_ids, db=wiring.database())
    return _collection(held)


@routes.get(
    "/api/v1/collections/{collection_id}/items",
    query=ListQuery,
    returns=ItemList,
    errors=(NotFound,),
    summary="List a collection's items, newest first.",
)
def list_collection_items(request: Request) -> ItemList:
    query: ListQuery = request.query
    user_id, collection_id = _which(request)
    filters = ItemFilters(collection_id=collection_id)
    items, cursor = browse.list_items(
        user_id, filters, after=query.after, limit=query.limit, db=wiring.database()
    )
    return ItemList(data=[item_of(item) for item in items], has_more=cursor is not None, next=cursor)


@routes.delete(
    "/api/v1/collections/{collection_id}/items/{item_id}",
    errors=(NotFound,),
    summary="Take an item out of a collection; the item itself stays.",
)
def remove_collection_item(request: Request) -> None:
    collections.remove_item(*_which(request), request.path["item_id"], db=wiring.database())


def _which(request: Request) -> tuple[str, str]:
    return request.user_id, request.path["collection_id"]


def _collection(stored: StoredCollection) -> Collection:
    return Collection(**asdict(stored))
