"""Generations of the search index: fill an embedding set beside the live ones, promote it, go back."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from chalicelib.errors import Conflict, NotFound
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


class Generation(Struct, frozen=True, kw_only=True):
    """`sets` names kind, model and dimensions of each of its sets. `promoted_at` is None before its first promotion."""

    id: int
    state: str
    created_at: datetime
    promoted_at: datetime | None
    sets: str


class Judged(Struct, frozen=True, kw_only=True):
    """A question of a user, and the pages (item id, space, number) that its answer cites."""

    query: str
    pages: list[str]


class Dropped(Struct, frozen=True, kw_only=True):
    """A set whose vectors were deleted, and the bytes that they took."""

    model: str
    dimensions: int
    bytes: int


class Remaining(Struct, frozen=True, kw_only=True):
    """The work that is left of a set: what is still to be embedded."""

    chunks: int
    chars: int
    users: int


def find_live_model(tx: Tx) -> tuple[str, int] | None:
    """Return (model, dimensions) of the live set of texts, None before anything was embedded."""
    row = tx.one(SQL["live_model"])
    return (row["model"], row["dimensions"]) if row else None


def find_next_user(tx: Tx, *, after: str) -> str | None:
    """Return the first user behind `after` who has something to find. System transaction."""
    row = tx.one(SQL["next_user"], after=after)
    return row["user_id"] if row else None


def list_unfilled(tx: Tx, user_id: str, *, set_id: int, after: int, limit: int) -> list[tuple[int, str]]:
    """Return (id, text) of the user's chunks behind the id `after` that have no vector in the set, in order."""
    values = {"set_id": set_id, "after": after, "limit": limit}
    return [(row["id"], row["text"]) for row in tx.all(SQL["list_unfilled"], user_id=user_id, **values)]


def list_judged(tx: Tx, user_id: str, *, limit: int) -> list[Judged]:
    return tx.rows(Judged, SQL["list_judged"], user_id=user_id, limit=limit)


def list_openings(tx: Tx, user_id: str, *, limit: int) -> list[str]:
    """Return the openings of some of the user's chunks, always the same ones."""
    return [row["query"] for row in tx.all(SQL["list_openings"], user_id=user_id, limit=limit)]


def measure(tx: Tx, set_id: int) -> Remaining:
    """Return what is still to be embedded for the set, of all users. Operator's transaction."""
    found = tx.row(Remaining, SQL["measure"], set_id=set_id)
    assert found is not None
    return found


def measure_pictures(tx: Tx, set_id: int) -> int:
    """Return how many images of all users have no vector in the set of pictures. Operator's transaction."""
    row = tx.one(SQL["measure_pictures"], set_id=set_id)
    return int(row["images"]) if row else 0


def begin(tx: Tx, set_ids: Sequence[int]) -> int:
    """Return the id of the generation with these sets that is being built; make it if it is missing.

    Operator's transaction.
    """
    tx.all(SQL["lock"])
    given = {"set_ids": list(set_ids)}
    row = tx.one(SQL["find_building"], **given) or tx.one(SQL["insert"], **given)
    assert row is not None
    return int(row["id"])


def list_all(tx: Tx) -> list[Generation]:
    """Return all generations, oldest first. Operator's transaction."""
    return tx.rows(Generation, SQL["list"])


def promote(tx: Tx, generation_id: int) -> None:
    """Make the generation the live one, whole. Operator's transaction.

    Raise NotFound, and Conflict while an item that can be found has a chunk of which one of its sets has no vector.
    """
    tx.all(SQL["lock"])
    if generation_id not in {each.id for each in list_all(tx)}:
        raise NotFound(f"There is no generation {generation_id}.")
    missing = tx.all(SQL["count_missing"], id=generation_id)[0]["n"]
    if missing:
        raise Conflict(
            f"{missing} chunks have no vector in generation {generation_id} yet; run reembed again.",
            code="generation_incomplete",
        )
    one: Mapping[str, Any] = {"id": generation_id}
    for name, values in (("retire_sets", {}), ("retire", {}), ("promote_sets", one), ("promote", one)):
        tx.run(SQL[name], **values)


def find_previous(tx: Tx) -> int | None:
    """Return the generation that was live before the live one, None if there was none. Operator's transaction."""
    row = tx.one(SQL["find_previous"])
    return int(row["id"]) if row else None


def drop_retired(tx: Tx) -> list[Dropped]:
    """Forget the retired generations, and delete the vectors that no other one has; return them by set.

    Operator's transaction.
    """
    return tx.rows(Dropped, SQL["drop_retired"])


def find_admin(tx: Tx, email: str) -> str | None:
    """Return the user id of the administrator with this address. Operator's transaction."""
    row = tx.one(SQL["find_admin"], email=email)
    return row["user_id"] if row else None
