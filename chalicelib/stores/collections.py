"""Collections: a user's named sets of items."""

from collections.abc import Sequence
from datetime import datetime

from chalicelib.errors import NotFound
from chalicelib.model.ids import checked_uuid
from chalicelib.stores.sql import statements
from chalicelib.stores.tx import Row, Tx

SQL = statements(__file__)


def insert(tx: Tx, user_id: str, collection_id: str, *, name: str, description: str) -> None:
    """Nothing when there is one of this id. Ends the transaction with a Conflict when another has the name."""
    tx.run(SQL["insert"], user_id=user_id, id=collection_id, name=name, description=description)


def get(tx: Tx, user_id: str, collection_id: str, *, field: str = "") -> Row:
    """With its `item_count`. Raises NotFound, naming the field that has the id."""
    row = tx.one(SQL["get"], user_id=user_id, id=checked_uuid(collection_id, _missing(field)))
    if row is None:
        raise _missing(field)
    return row


def list_page(tx: Tx, user_id: str, *, after: tuple[datetime, str] | None, limit: int) -> list[Row]:
    """Newest first."""
    after_at, after_id = after or (None, None)
    return tx.all(SQL["list"], user_id=user_id, after_at=after_at, after_id=after_id, limit=limit)


def update(
    tx: Tx, user_id: str, collection_id: str, *, name: str | None = None, description: str | None = None
) -> None:
    """Change what is not None, and lock it. Raises NotFound; a Conflict when another has the name."""
    values = {"name": name, "description": description}
    if not tx.run(SQL["update"], user_id=user_id, id=_checked(collection_id), **values):
        raise _missing()


def delete(tx: Tx, user_id: str, collection_id: str) -> bool:
    """Whether there was one; its items stay. Raises NotFound for what is no id."""
    return tx.run(SQL["delete"], user_id=user_id, id=_checked(collection_id)) == 1


def add_items(tx: Tx, user_id: str, collection_id: str, item_ids: Sequence[str]) -> None:
    """The collection and the items are there and locked; what is in it already stays."""
    tx.run(SQL["add_items"], user_id=user_id, id=collection_id, item_ids=list(item_ids))


def remove_item(tx: Tx, user_id: str, collection_id: str, item_id: str) -> bool:
    """Whether it was in it. Raises NotFound for what is no collection's id."""
    return tx.run(SQL["remove_item"], user_id=user_id, id=_checked(collection_id), item_id=item_id) == 1


def _checked(collection_id: str) -> str:
    return checked_uuid(collection_id, _missing())


def _missing(field: str = "") -> NotFound:
    return NotFound("There is no such collection.", field=field)
