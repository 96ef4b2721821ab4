"""Dependents of an item, to be looked at before the item is deleted."""

from typing import Literal

import msgspec
from msgspec.structs import asdict

from chalicelib import wiring
from chalicelib.api.http.routes import Request, Routes
from chalicelib.model.library.items import ItemRef
from chalicelib.ops.library import dependents

routes = Routes("items")


class Dependent(msgspec.Struct, frozen=True, kw_only=True):
    """A collection that holds the item, or a conversation; `answers` counts its answers that cite the item."""

    id: str
    name: str
    answers: int | None = None


class DependentList(msgspec.Struct, frozen=True, kw_only=True):
    """The number of collections or conversations, and the first of them: by name, or the last updated first."""

    count: int
    first: list[Dependent]


class Derived(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of rows that were derived from the item and are deleted with it; `pages` are the search index's."""

    chunks: int
    vectors: int
    pages: int
    analyses: int


class Dependents(msgspec.Struct, frozen=True, kw_only=True):
    """Collections and conversations that depend on the item. Deleting the item makes its citations stale."""

    object: Literal["dependents"] = "dependents"
    item_id: str
    collections: DependentList
    conversations: DependentList
    derived: Derived


@routes.get(
    "/api/v1/items/{item_id}/dependents",
    returns=Dependents,
    summary="See what leans on an item, before it is deleted.",
)
def get_dependents(request: Request) -> Dependents:
    ref = ItemRef(user_id=request.user_id, item_id=request.path["item_id"])
    found = dependents.read_dependents(ref, db=wiring.database())
    holding, citing = found.collections, found.conversations
    return Dependents(
        item_id=ref.item_id,
        collections=DependentList(
            count=holding[0].found if holding else 0,
            first=[Dependent(id=each.id, name=each.name) for each in holding],
        ),
        conversations=DependentList(
            count=citing[0].found if citing else 0,
            first=[Dependent(id=each.id, name=each.title, answers=each.answers) for each in citing],
        ),
        derived=Derived(**asdict(found.derived)),
    )
