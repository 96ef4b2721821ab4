"""Make, list, rename, fill and delete a user's decks; their exercises become due, some each day."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from chalicelib.errors import Conflict, InvalidInput, NotFound
from chalicelib.model.ids import checked_uuid
from chalicelib.model.names import checked_name
from chalicelib.model.paging import cut_page, decode_cursor, encode_cursor, uuid_cursor
from chalicelib.model.practice.decks import StoredDeck
from chalicelib.model.practice.exercises import StoredExercise
from chalicelib.ops.practice.plan import plan_new
from chalicelib.stores.accounts import users
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.practice import cards, decks, exercises

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

T = TypeVar("T")
MAX_EXERCISES = 10_000  # of a deck


def create_deck(user_id: str, deck_id: str, *, name: str, db: "Database") -> StoredDeck:
    """Make the deck and return it; a second call with the same id makes no second one.

    Raise Conflict when the user has another deck of this name, in any letter case.
    """
    name = checked_name(name)

    def make(tx: Tx) -> StoredDeck:
        users.ensure(tx, user_id)
        decks.insert(tx, user_id, deck_id, name=name)
        return decks.get(tx, user_id, deck_id)

    return _naming(user_id, make, db=db)


def list_decks(
    user_id: str, *, after: str | None, limit: int, db: "Database"
) -> tuple[list[StoredDeck], str | None]:
    """Return a page of decks, newest first, and the cursor of the next page."""
    position = decode_cursor(after) if after else None
    rows = db.transact(user_id, lambda tx: decks.list_page(tx, user_id, after=position, limit=limit + 1))
    page, last = cut_page(rows, limit)
    return page, encode_cursor(last.created_at, last.id) if last else None


def read_deck(user_id: str, deck_id: str, *, db: "Database") -> StoredDeck:
    """Return the deck. Raise NotFound."""
    return db.transact(user_id, lambda tx: decks.get(tx, user_id, deck_id))


def rename_deck(user_id: str, deck_id: str, name: str, *, db: "Database") -> StoredDeck:
    """Give the deck another name, and return it. Raise NotFound; Conflict as create_deck does."""
    name = checked_name(name)

    def change(tx: Tx) -> StoredDeck:
        decks.update(tx, user_id, deck_id, name=name)
        return decks.get(tx, user_id, deck_id)

    return _naming(user_id, change, db=db)


def delete_deck(user_id: str, deck_id: str, *, db: "Database") -> None:
    """Delete the deck; its exercises stay, and those that were reviewed stay due. Raise NotFound."""

    def delete(tx: Tx) -> None:
        decks.delete(tx, user_id, deck_id)
        cards.delete_unused(tx, user_id)

    db.transact(user_id, delete)


def add_exercises(
    user_id: str, deck_id: str, exercise_ids: Sequence[str], *, now: datetime, db: "Database"
) -> StoredDeck:
    """Put all exercises into the deck, or none. Those that were never reviewed become due, `new_a_day` each day.

    Raise NotFound; it names the exercises that do not exist. Raise InvalidInput when the deck would be too long.
    """

    def add(tx: Tx) -> StoredDeck:
        fill_deck(tx, user_id, deck_id, exercise_ids, now=now)
        return decks.get(tx, user_id, deck_id)

    return db.transact(user_id, add)


def fill_deck(tx: Tx, user_id: str, deck_id: str, exercise_ids: Sequence[str], *, now: datetime) -> None:
    """Like add_exercises, in a transaction."""
    decks.update(tx, user_id, deck_id)
    if missing := exercises.list_missing(tx, user_id, exercise_ids):
        raise exercises.no_exercise("exercise_ids", missing[:10])
    decks.add_exercises(tx, user_id, deck_id, exercise_ids)
    if decks.get(tx, user_id, deck_id).exercise_count > MAX_EXERCISES:
        raise InvalidInput(
            f"A deck takes at most {MAX_EXERCISES:,} exercises; make another one.",
            field="exercise_ids",
            code="deck_full",
        )
    plan_new(tx, user_id, exercise_ids, now=now)


def remove_exercise(user_id: str, deck_id: str, exercise_id: str, *, db: "Database") -> None:
    """Take the exercise out of the deck. Raise NotFound when it is not in it."""
    missing = NotFound(
        "This exercise is not in this deck. GET /api/v1/decks/{deck_id}/exercises lists those that are."
    )
    known = checked_uuid(exercise_id, missing)

    def remove(tx: Tx) -> None:
        decks.update(tx, user_id, deck_id)
        if not decks.remove_exercise(tx, user_id, deck_id, known):
            raise missing
        cards.delete_unused(tx, user_id, known)

    db.transact(user_id, remove)


def list_exercises(
    user_id: str, deck_id: str, *, after: str | None, limit: int, db: "Database"
) -> tuple[list[StoredExercise], str | None]:
    """Return a page of the deck's exercises in the order of their adding, and the cursor of the next page."""
    position = uuid_cursor(after)

    def read(tx: Tx) -> tuple[list[StoredExercise], str | None]:
        decks.get(tx, user_id, deck_id)
        rows = decks.list_exercises(tx, user_id, deck_id, after=position, limit=limit + 1)
        page, last = cut_page(rows, limit)
        found = exercises.list_some(tx, user_id, [exercise_id for _, exercise_id in page])
        return [found[exercise_id] for _, exercise_id in page], encode_cursor(*last) if last else None

    return db.transact(user_id, read)


def _naming(user_id: str, work: Callable[[Tx], T], *, db: "Database") -> T:
    """Run `work` in a transaction. Its Conflict means that the name is taken: only the name must be unique."""
    try:
        return db.transact(user_id, work)
    except Conflict as error:
        raise Conflict(
            "You have a deck of this name already. Take another name, or fill that deck.",
            code="name_taken",
            field="name",
        ) from error
