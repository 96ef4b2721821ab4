"""Decks: a user's named lists of exercises."""

from collections.abc import Sequence
from datetime import datetime

from chalicelib.errors import NotFound
from chalicelib.model.ids import checked_uuid
from chalicelib.model.practice.decks import StoredDeck
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


def insert(tx: Tx, user_id: str, deck_id: str, *, name: str) -> None:
    """Make a deck, unless there is one with this id. The transaction raises Conflict when the name is taken."""
    tx.run(SQL["insert"], user_id=user_id, id=deck_id, name=name)


def ensure(tx: Tx, user_id: str, deck_id: str, name: str) -> str:
    """Return the id of the deck of this name, in any letter case; make it with this id if there is none."""
    row = tx.one(SQL["find_by_name"], user_id=user_id, name=name)
    if row is None:
        insert(tx, user_id, deck_id, name=name)
    return row["id"] if row else deck_id


def get(tx: Tx, user_id: str, deck_id: str, *, field: str = "") -> StoredDeck:
    """Return the deck. Raise NotFound, naming the request's `field` that has the id."""
    missing = _missing(field)
    deck = tx.row(StoredDeck, SQL["get"], user_id=user_id, id=checked_uuid(deck_id, missing))
    if deck is None:
        raise missing
    return deck


def list_page(tx: Tx, user_id: str, *, after: tuple[datetime, str] | None, limit: int) -> list[StoredDeck]:
    """Return the user's decks behind `after` (created_at, id), newest first."""
    after_at, after_id = after or (None, None)
    page = {"after_at": after_at, "after_id": after_id, "limit": limit}
    return tx.rows(StoredDeck, SQL["list"], user_id=user_id, **page)


def update(tx: Tx, user_id: str, deck_id: str, *, name: str | None = None) -> None:
    """Change the name if one is given, and lock the deck. Raise NotFound; Conflict when the name is taken."""
    missing = _missing()
    if not tx.run(SQL["update"], user_id=user_id, id=checked_uuid(deck_id, missing), name=name):
        raise missing


def delete(tx: Tx, user_id: str, deck_id: str) -> None:
    """Delete the deck, not its exercises. Raise NotFound."""
    missing = _missing()
    if not tx.run(SQL["delete"], user_id=user_id, id=checked_uuid(deck_id, missing)):
        raise missing


def add_exercises(tx: Tx, user_id: str, deck_id: str, exercise_ids: Sequence[str]) -> None:
    """Put exercises into the deck, in this order; those that are in it already stay where they are."""
    values = {"user_id": user_id, "id": deck_id, "exercise_ids": list(exercise_ids)}
    tx.run(SQL["add_exercises"], **values)


def remove_exercise(tx: Tx, user_id: str, deck_id: str, exercise_id: str) -> bool:
    """Take the exercise out; return False when it was not in it."""
    return tx.run(SQL["remove_exercise"], user_id=user_id, id=deck_id, exercise_id=exercise_id) == 1


def list_exercises(
    tx: Tx, user_id: str, deck_id: str, *, after: tuple[datetime, str] | None, limit: int
) -> list[tuple[datetime, str]]:
    """Return (added_at, id) of the deck's exercises behind `after`, oldest first."""
    after_at, after_id = after or (None, None)
    page = {"after_at": after_at, "after_id": after_id, "limit": limit}
    rows = tx.all(SQL["list_exercises"], user_id=user_id, id=deck_id, **page)
    return [(row["added_at"], row["exercise_id"]) for row in rows]


def _missing(field: str = "") -> NotFound:
    return NotFound("There is no such deck. GET /api/v1/decks lists yours.", field=field)
