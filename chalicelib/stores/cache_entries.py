"""Cached upstream responses: private ones under their user, public ones under user_id ''."""

import json
from collections.abc import Sequence

from msgspec import Struct

from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)
MAX_ENTRIES = 200  # per user, and of public ones


class CachedResponse(Struct, frozen=True, kw_only=True):
    """A cached response of status 200. `age_s` is its age now, in seconds."""

    headers: list[tuple[str, str]]
    body: memoryview
    age_s: int


def find(tx: Tx, user_id: str, key: str, *, own_variant: str, public_variant: str) -> CachedResponse | None:
    """Return the newest fresh response, the user's own or a public one; None if there is none."""
    variants = {"own_variant": own_variant, "public_variant": public_variant}
    return tx.row(CachedResponse, SQL["find"], user_id=user_id, key=key, **variants)


def upsert(
    tx: Tx,
    user_id: str,
    key: str,
    *,
    variant: str,
    headers: Sequence[tuple[str, str]],
    body: bytes,
    age_s: int,
    fresh_s: int,
) -> None:
    """Store the response, and delete the owner's entries beyond MAX_ENTRIES, the stalest first."""
    values = {"variant": variant, "headers": json.dumps(list(headers)), "body": body}
    tx.run(SQL["upsert"], user_id=user_id, key=key, **values, age_s=age_s, fresh_s=fresh_s)
    tx.run(SQL["trim"], user_id=user_id, keep=MAX_ENTRIES)


def delete(tx: Tx, user_id: str, key: str) -> None:
    """Delete the user's own and the public entries of this key."""
    tx.run(SQL["delete"], user_id=user_id, key=key)


def prune(tx: Tx) -> int:
    """Delete all stale entries and return their number. System transaction."""
    return tx.run(SQL["prune"])
