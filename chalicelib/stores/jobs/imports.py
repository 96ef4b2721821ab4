"""Rows of an export that are put back. Nothing that is there is changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from chalicelib.errors import BadFile
from chalicelib.model.jobs.imports import CardLine
from chalicelib.model.library.items import ItemRef
from chalicelib.model.practice.reviews import ReviewSettings
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)
Table = Literal[
    "analyses",
    "chunks",
    "citations",
    "collections",
    "concepts",
    "conversations",
    "decks",
    "evaluations",
    "exercises",
    "messages",
    "remediations",
    "reviews",
]


def insert_rows(tx: Tx, user_id: str, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows of the user, all with the same columns; what the table does not have is left out.

    Raise BadFile "bad_line" when they do not fit the table; then none of them is there.
    """
    if not rows:
        return
    lines = msgspec.json.encode([{**row, "user_id": user_id} for row in rows]).decode()
    refusal = tx.all(SQL["insert_rows"], of_table=table, lines=lines)[0]["refusal"]
    if refusal is not None:
        raise BadFile(f"A line does not fit: {refusal[:300]}", code="bad_line")


def match_collections(tx: Tx, user_id: str, names: Sequence[str]) -> dict[str, str]:
    """Return the ids of the user's collections of these names, in any letter case: name to id."""
    return _matched(tx, "match_collections", user_id, names)


def match_concepts(tx: Tx, user_id: str, phrases: Sequence[str]) -> dict[str, str]:
    """Return the ids of the user's concepts of these phrases, in any letter case: phrase to id."""
    return _matched(tx, "match_concepts", user_id, phrases)


def match_decks(tx: Tx, user_id: str, names: Sequence[str]) -> dict[str, str]:
    """Return the ids of the user's decks of these names, in any letter case: name to id."""
    return _matched(tx, "match_decks", user_id, names)


def match_items(tx: Tx, user_id: str, hashes: Sequence[str]) -> dict[str, str]:
    """Return the ids of the user's items that have these bytes: SHA-256 to id."""
    return {
        row["sha256"]: row["id"] for row in tx.all(SQL["match_items"], user_id=user_id, hashes=list(hashes))
    }


def find_taken(tx: Tx, user_id: str, table: Table, ids: Sequence[str]) -> dict[str, datetime]:
    """Return those of the ids that a row of the user has, with the time at which it was made."""
    return {row["id"]: row["at"] for row in tx.all(SQL[f"taken_{table}"], user_id=user_id, ids=list(ids))}


def find_reviews(tx: Tx, user_id: str, exercise_id: str, ids: Sequence[str]) -> dict[str, datetime]:
    """Return the exercise's reviews, and those that have one of the ids: id to time."""
    rows = tx.all(SQL["taken_reviews"], user_id=user_id, exercise_id=exercise_id, ids=list(ids))
    return {row["id"]: row["at"] for row in rows}


def restore_settings(tx: Tx, user_id: str, settings: ReviewSettings) -> int:
    """Insert the user's review settings; return 0 when there are some, which stay."""
    return tx.run(SQL["restore_settings"], user_id=user_id, **msgspec.structs.asdict(settings))


def restore_card(tx: Tx, user_id: str, exercise_id: str, card: CardLine) -> int:
    """Insert the card of an exercise, or replace one without a review; return 0 when one with reviews is there."""
    values = msgspec.structs.asdict(card)
    return tx.run(SQL["restore_card"], user_id=user_id, exercise_id=exercise_id, **values)


def outdate_card(tx: Tx, user_id: str, exercise_id: str) -> None:
    """Have the card planned anew if the exercise has other reviews than it was computed from."""
    tx.run(SQL["outdate_card"], user_id=user_id, exercise_id=exercise_id)


def add_to_deck(tx: Tx, user_id: str, deck_id: str, added: Mapping[str, datetime]) -> int:
    """Put exercises, given as id to time, into the deck; return how many were not in it. Unknown ones are left out."""
    values = {"exercise_ids": list(added), "times": list(added.values())}
    return tx.run(SQL["add_to_deck"], user_id=user_id, deck_id=deck_id, **values)


def restore_item(tx: Tx, ref: ItemRef, **columns: Any) -> None:
    """Give a new item what it had where it was exported; it is embedded next."""
    tx.run(SQL["restore_item"], user_id=ref.user_id, id=ref.item_id, **columns)


def chunk_ids(tx: Tx, ref: ItemRef) -> dict[tuple[str, int], int]:
    """Return the ids of the item's chunks by (source, ordinal)."""
    rows = tx.all(SQL["chunk_ids"], user_id=ref.user_id, item_id=ref.item_id)
    return {(row["source"], row["ordinal"]): row["id"] for row in rows}


def _matched(tx: Tx, statement: str, user_id: str, names: Sequence[str]) -> dict[str, str]:
    rows = tx.all(SQL[statement], user_id=user_id, names=list(names))
    return {names[row["place"] - 1]: row["id"] for row in rows}
