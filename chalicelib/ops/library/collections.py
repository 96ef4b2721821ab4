"""Makes, lists, reads, changes and deletes a user's collections; puts items in and takes them out."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from chalicelib.errors import Conflict, NotFound
from chalicelib.model.library.collections import StoredCollection
from chalicelib.model.names import checked_name
from chalicelib.model.paging import cut_page, decode_cursor, encode_cursor
from chalicelib.stores.accounts import users
from chalicelib.stores.library import collections, items
from chalicelib.stores.postgres.tx import Tx

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

T = TypeVar("T")


def create_collection(
    user_id: str, collection_id: str, *, name: str, description: str, db: "Database"
) -> StoredCollection:
    """Make the collection and return it; a second call with the same id makes no second one.

    Raise Conflict when the user has another collection of this name, in any letter case.
    """
    name = checked_name(name)

    def make(tx: Tx) -> StoredCollection:
        users.ensure(tx, user_id)
        collections.insert(tx, user_id, collection_id, name=name, description=description)
        return collections.get(tx, user_id, collection_id)

    return _naming(user_id, make, db=db)


def list_collections(
    user_id: str, *, after: str | None, limit: int, db: "Database"
) -> tuple[list[StoredCollection], str | None]:
    """Return a page of collections, newest first, and the cursor of the next page."""
    position = decode_cursor(after) if after else None
    rows = db.transact(
        user_id, lambda tx: collections.list_page(tx, user_id, after=position, limit=limit + 1)
    )
    page, last = cut_page(rows, limit)
    return page, encode_cursor(last.created_at, last.id) if last else None


def read_collection(user_id: str, collection_id: str, *, db: "Database") -> StoredCollection:
    """Return the collection. Raise NotFound."""
    return db.transact(user_id, lambda tx: collections.get(tx, user_id, collection_id))


def change_collection(
    user_id: str, collection_id: str, *, name: str | None, description: str | None, db: "Database"
) -> StoredCollection:
    """Change the fields that are not None, and return the collection.

    Raise NotFound; Conflict as create_collection does.
    """
    name = None if name is None else checked_name(name)

    def change(tx: Tx) -> StoredCollection:
        collections.update(tx, user_id, collection_id, name=name, description=description)
        return collections.get(tx, user_id, collection_id)

    return _naming(user_id, change, db=db)


def delete_collection(user_id: str, collection_id: str, *, db: "Database") -> None:
    """Delete the collection; its items stay. Raise NotFound."""
    if not db.transact(user_id, lambda tx: collections.delete(tx, user_id, collection_id)):
        raise NotFound("There is no such collection.")


def add_items(
    user_id: str, collection_id: str, item_ids: Sequence[str], *, db: "Database"
) -> StoredCollection:
    """Put all items into the collection, or none. Raise NotFound; it names the items that do not exist."""

    def add(tx: Tx) -> StoredCollection:
        collections.update(tx, user_id, collection_id)
        items.require_all(tx, user_id, item_ids, field="item_ids")
        collections.add_items(tx, user_id, collection_id, item_ids)
        return collections.get(tx, user_id, collection_id)

    return db.transact(user_id, add)


def remove_item(user_id: str, collection_id: str, item_id: str, *, db: "Database") -> None:
    """Take the item out of the collection; the item itself stays. Raise NotFound when it is not in it."""
    if not db.transact(user_id, lambda tx: collections.remove_item(tx, user_id, collection_id, item_id)):
        raise NotFound("There is no such item in this collection.")


def _naming(user_id: str, work: Callable[[Tx], T], *, db: "Database") -> T:
    """Run `work` in a transaction. Its Conflict means that the name is taken: only the name must be unique."""
    try:
        return db.transact(user_id, work)
    except Conflict as error:
        raise Conflict(
            "You have a collection of this name already.", code="name_taken", field="name"
        ) from error
