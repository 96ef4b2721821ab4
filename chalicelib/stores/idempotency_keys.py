"""Idempotency keys: locked while their request runs, then stored with its response."""

import json
from collections.abc import Mapping
from uuid import UUID

from msgspec import Struct

from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


class StoredKey(Struct, frozen=True, kw_only=True):
    """A key with its request's fingerprint and response.

    Without a status it is locked for `locked_for_s` more seconds.
    """

    fingerprint: str
    status: int | None
    headers: dict[str, str] | None
    body: str | None
    locked_for_s: float


def claim(tx: Tx, user_id: str, key: str, *, fingerprint: str, token: str, lock_s: int) -> UUID | None:
    """Lock the key and return the id for what the request creates; None if the key is locked or has a response."""
    values = {"user_id": user_id, "key": key, "fingerprint": fingerprint, "token": token, "lock_s": lock_s}
    row = tx.one(SQL["claim"], **values)
    return UUID(row["creation_id"]) if row else None


def find(tx: Tx, user_id: str, key: str) -> StoredKey | None:
    return tx.row(StoredKey, SQL["find"], user_id=user_id, key=key)


def set_answer(
    tx: Tx, user_id: str, key: str, *, token: str, status: int, headers: Mapping[str, str], body: str
) -> None:
    """Store the response if `token` is still that of the latest claim."""
    values = {"status": status, "headers": json.dumps(dict(headers)), "body": body}
    tx.run(SQL["set_answer"], user_id=user_id, key=key, token=token, **values)


def delete(tx: Tx, user_id: str, key: str, *, token: str) -> None:
    tx.run(SQL["delete"], user_id=user_id, key=key, token=token)


def prune(tx: Tx) -> int:
    """Delete keys older than 24 hours and return their number. System transaction."""
    return tx.run(SQL["prune"])
