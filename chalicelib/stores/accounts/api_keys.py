"""API keys, stored as hashes. The gatekeeper's role finds a key's user; the user's role does the rest."""

from collections.abc import Sequence
from datetime import datetime

from chalicelib.model.accounts.api_keys import KnownApiKey, StoredApiKey
from chalicelib.stores.postgres.sql import statements
from chalicelib.stores.postgres.tx import Tx

SQL = statements(__file__)


def find_by_hash(tx: Tx, sha256: str) -> KnownApiKey | None:
    """Return the key unless it has expired, and note its use at most once a minute. Gatekeeper's transaction."""
    key = tx.row(KnownApiKey, SQL["find_by_hash"], sha256=sha256)
    if key is not None:
        tx.run(SQL["set_used"], user_id=key.user_id, id=key.id)
    return key


def count_others(tx: Tx, user_id: str, key_id: str) -> int:
    """Return the number of the user's other unexpired keys, locked so that it stays right in this transaction."""
    tx.all(SQL["lock"], user_id=user_id)
    return int(tx.all(SQL["count_others"], user_id=user_id, id=key_id)[0]["found"])


def insert(
    tx: Tx,
    user_id: str,
    *,
    id: str,
    name: str,
    prefix: str,
    sha256: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
) -> StoredApiKey:
    """Make the key and return it. A second insert of the same id changes nothing."""
    values = {"name": name, "prefix": prefix, "sha256": sha256, "scopes": list(scopes)}
    tx.run(SQL["insert"], user_id=user_id, id=id, expires_at=expires_at, **values)
    return tx.rows(StoredApiKey, SQL["find"], user_id=user_id, id=id)[0]


def list_page(tx: Tx, user_id: str, *, after: tuple[datetime, str] | None, limit: int) -> list[StoredApiKey]:
    """Return the user's keys behind `after` (created_at, id), newest first."""
    at, after_id = after or (None, None)
    return tx.rows(StoredApiKey, SQL["list_page"], user_id=user_id, at=at, after_id=after_id, limit=limit)


def delete(tx: Tx, user_id: str, key_id: str) -> bool:
    """Delete the key; return False when there is none."""
    return tx.run(SQL["delete"], user_id=user_id, id=key_id) == 1
