"""Implements Idempotency-Keys: one request at a time runs under a key, and its response is stored."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from msgspec import Struct

from chalicelib.errors import InFlight, KeyReused
from chalicelib.stores import idempotency_keys
from chalicelib.stores.accounts import users
from chalicelib.stores.postgres.tx import Tx

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

LOCK_S = 35  # longer than the API's function may run (.chalice/config.json), so the holder of an older lock is dead


class KeyClaim(Struct, frozen=True, kw_only=True):
    """The right to run the request of this key.

    `creation_id` stays the same when another request takes the key over.
    """

    user_id: str
    key: str
    token: str
    creation_id: UUID


class StoredResponse(Struct, frozen=True, kw_only=True):
    status: int
    headers: Mapping[str, str]
    body: str


def claim_key(user_id: str, key: str, *, fingerprint: str, db: "Database") -> KeyClaim | StoredResponse:
    """Claim the key, or return the response stored under it.

    Raise InFlight while the same request runs, and KeyReused if the key came with another request.
    """
    # Made outside the transaction, so that a retry after a lost acknowledgement recognises its own claim.
    token = str(uuid4())

    def claim(tx: Tx) -> KeyClaim | StoredResponse:
        users.ensure(tx, user_id)
        creation_id = idempotency_keys.claim(
            tx, user_id, key, fingerprint=fingerprint, token=token, lock_s=LOCK_S
        )
        if creation_id is not None:
            return KeyClaim(user_id=user_id, key=key, token=token, creation_id=creation_id)
        stored = idempotency_keys.find(tx, user_id, key)
        if stored is None:  # released just now
            raise InFlight("The same request is still being answered; send it again later.", retry_after_s=1)
        if stored.fingerprint != fingerprint:
            raise KeyReused("This Idempotency-Key was used for another request; use a new key.")
        if stored.status is None:
            raise InFlight(
                "The same request is still being answered; send it again later.",
                retry_after_s=stored.locked_for_s,
            )
        return StoredResponse(status=stored.status, headers=stored.headers or {}, body=stored.body or "")

    return db.transact(user_id, claim)


def store_response(claim: KeyClaim, answer: StoredResponse, *, db: "Database") -> None:
    """Store the response for 24 hours, unless another request has taken the key over."""
    db.transact(
        claim.user_id,
        lambda tx: idempotency_keys.set_answer(
            tx,
            claim.user_id,
            claim.key,
            token=claim.token,
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
        ),
    )


def release_key(claim: KeyClaim, *, db: "Database") -> None:
    """Delete the key of a request that was refused and created nothing."""
    db.transact(
        claim.user_id,
        lambda tx: idempotency_keys.delete(tx, claim.user_id, claim.key, token=claim.token),
    )
