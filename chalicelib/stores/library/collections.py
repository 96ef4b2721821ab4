"""Collections: a user's named sets of items."""

from collections.abc import Sequence
from datetime import datetime

from chalicelib.errors import NotFound
from chalicelib.model.ids import checked_uuid
from chalicelib.model.library.collections import StoredCollection
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


def insert(tx: Tx, user_id: str, collection_id: str, *, name: str, description: str) -> None:
    """Make a collection, unless there is one with this id. The transaction raises Conflict when the name is taken."""
    tx.run(SQL["insert"], user_id=user_id, id=collection_id, name=name, description=description)


def get(tx: Tx, user_id: str, collection_id: str, *, field: str = "") -> StoredCollection:
    """Return the collection. Raise NotFound, naming the request's `field` that has the id."""
    collection_id = checked_uuid(collection_id, _missing(field))
    collection = tx.row(StoredCollection, SQL["get"], user_id=user_id, id=collection_id)
    if collection is None:
        raise _missing(field)
    return collection


def list_page(
    tx: Tx, user_id: str, *, after: tuple[datetime, str] | None, limit: int
) -> list[StoredCollection]:
    """Return the user's collections behind `after` (created_at, id), newest first."""
    after_at, after_id = after or (None, None)
    page = {"after_at": after_at, "after_id": after_id, "limit": limit}
    return tx.rows(StoredCollection, SQL["list"], user_id=user_id, **page)


def update(
    tx: Tx, user_id: str, collection_id: str, *, name: str | None = None, description: str | None = None
) -> None:
    """Change the fields that are not None, and lock the collection. Raise NotFound; Conflict when the name is taken."""
    values = {"name": name, "description": description}
    if not tx.run(SQL["update"], user_id=user_id, id=_checked(collection_id), **values):
        raise _missing()


def delete(tx: Tx, user_id: str, collection_id: str) -> bool:
    """Delete the collection, not its items. Return False when there is none.

    Raise NotFound for an id that is no UUID.
    """
    return tx.run(SQL["delete"], user_id=user_id, id=_checked(collection_id)) == 1


def add_items(tx: Tx, user_id: str, collection_id: str, item_ids: Sequence[str]) -> None:
    """Put items into the collection; items that are in it already stay. The caller has locked both."""
    tx.run(SQL["add_items"], user_id=user_id, id=collection_id, item_ids=list(item_ids))


def remove_item(tx: Tx, user_id: str, collection_id: str, item_id: str) -> bool:
    """Take the item out; return False when it was not in it. Raise NotFound when `collection_id` is no UUID."""
    return tx.run(SQL["remove_item"], user_id=user_id, id=_checked(collection_id), item_id=item_id) == 1


def _checked(collection_id: str) -> str:
    return checked_uuid(collection_id, _missing())


def _missing(field: str = "") -> NotFound:
    return NotFound("There is no such collection.", field=field)
