"""API keys for scripts: make, list, revoke and recognise them. A key is shown once."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from chalicelib.errors import Conflict, Forbidden, InvalidInput, NotFound, Unauthenticated
from chalicelib.model.accounts.api_keys import KnownApiKey, StoredApiKey
from chalicelib.model.accounts.tokens import API_KEY_PREFIX, new_api_key, sha256_of
from chalicelib.model.paging import cut_page, decode_cursor, encode_cursor
from chalicelib.stores.accounts import api_keys, users
from chalicelib.stores.postgres.tx import Tx

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

SHOWN_CHARS = len(API_KEY_PREFIX) + 6
MAX_KEYS = 50  # per user; expired keys are not counted


def create_key(
    user_id: str,
    *,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
    own_scopes: Collection[str],
    own_end: datetime | None,
    now: datetime,
    db: "Database",
) -> tuple[StoredApiKey, str]:
    """Return the stored key and its secret text, which is shown this once.

    `own_scopes` and `own_end` are those of the caller's credential. Raise Forbidden when the new key could do more or
    last longer, InvalidInput for a bad `expires_at`, Conflict beyond MAX_KEYS.
    """
    if not set(scopes) <= set(own_scopes):
        raise Forbidden("scopes must not go beyond those of the caller.", code="insufficient_scope")
    try:
        expires_at = expires_at and expires_at.astimezone(UTC)
    except OverflowError as error:
        raise InvalidInput("expires_at must be before the year 10000.", field="expires_at") from error
    if expires_at is not None and expires_at <= now:
        raise InvalidInput("It must be in the future.", field="expires_at")
    if own_end is not None and (expires_at is None or expires_at > own_end):
        raise Forbidden(
            "expires_at must not be later than that of the API key that makes the new one.",
            code="key_outlives_maker",
        )
    key, key_id = new_api_key(), str(uuid4())

    def insert(tx: Tx) -> StoredApiKey:
        users.ensure(tx, user_id)
        if api_keys.count_others(tx, user_id, key_id) >= MAX_KEYS:
            raise Conflict(f"You have {MAX_KEYS} API keys; revoke one first.", code="too_many_api_keys")
        return api_keys.insert(
            tx,
            user_id,
            id=key_id,
            name=name,
            prefix=key[:SHOWN_CHARS],
            sha256=sha256_of(key),
            scopes=sorted(set(scopes)),
            expires_at=expires_at,
        )

    return db.transact(user_id, insert), key


def list_keys(
    user_id: str, *, after: str | None, limit: int, db: "Database"
) -> tuple[list[StoredApiKey], str | None]:
    """Return a page of the user's keys, newest first, and the cursor of the next page."""
    position = decode_cursor(after) if after else None
    rows = db.transact(user_id, lambda tx: api_keys.list_page(tx, user_id, after=position, limit=limit + 1))
    page, last = cut_page(rows, limit)
    return page, encode_cursor(last.created_at, last.id) if last else None


def revoke_key(user_id: str, key_id: str, *, db: "Database") -> None:
    """Delete the key; it is refused from now on. Raise NotFound."""
    if not db.transact(user_id, lambda tx: api_keys.delete(tx, user_id, key_id)):
        raise NotFound("There is no such API key.")


def find_key(key: str, *, db: "Database") -> KnownApiKey:
    """Return the key with its user, scopes, role and plan. Raise Unauthenticated."""
    found = db.transact_as_gatekeeper(lambda tx: api_keys.find_by_hash(tx, sha256_of(key)))
    if found is None or found.disabled_at is not None:
        raise Unauthenticated("This API key is not valid.", code="invalid_api_key")
    return found
