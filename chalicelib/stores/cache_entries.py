"""Upstream answers that may be given again: one user's own, and under user_id '' everybody's."""

import json
from collections.abc import Sequence

from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Row, Tx

SQL = statements(__file__)
MAX_ENTRIES = 200  # of one user, or of everybody's


def find(tx: Tx, user_id: str, key: str, *, own_variant: str, public_variant: str) -> Row | None:
    """Return public, headers, body, age_s of a fresh one: the user's own, or everybody's."""
    variants = {"own_variant": own_variant, "public_variant": public_variant}
    return tx.one(SQL["find"], user_id=user_id, key=key, **variants)


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
    """Keep it, and at most MAX_ENTRIES with it."""
    values = {"variant": variant, "headers": json.dumps(list(headers)), "body": body}
    tx.run(SQL["upsert"], user_id=user_id, key=key, **values, age_s=age_s, fresh_s=fresh_s)
    tx.run(SQL["trim"], user_id=user_id, keep=MAX_ENTRIES)


def delete(tx: Tx, user_id: str, key: str) -> None:
    """The user's own of this key, and everybody's."""
    tx.run(SQL["delete"], user_id=user_id, key=key)


def prune(tx: Tx) -> int:
    """Delete what is stale. System transaction."""
    return tx.run(SQL["prune"])
