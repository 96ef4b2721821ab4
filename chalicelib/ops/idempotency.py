"""Keeps Idempotency-Keys: one request at a time works under a key, and its answer is kept."""

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

LOCK_S = 35  # longer than the API's function may run (.chalice/config.json): who holds a lock longer is dead


class KeyClaim(Struct, frozen=True, kw_only=True):
    """The right to answer under this key; `creation_id` stays the same for whoever takes over."""

    user_id: str
    key: str
    token: str
    creation_id: UUID


class KeptAnswer(Struct, frozen=True, kw_only=True):
    status: int
    headers: Mapping[str, str]
    body: str


def claim_key(user_id: str, key: str, *, fingerprint: str, db: "Database") -> KeyClaim | KeptAnswer:
    """Take the key, or return what was answered under it. Raise InFlight, and KeyReused for another request."""
    token = str(uuid4())  # made here, so that a rerun after a lost acknowledgement knows its own claim

    def claim(tx: Tx) -> KeyClaim | KeptAnswer:
        users.ensure(tx, user_id)
        creation_id = idempotency_keys.claim(
            tx, user_id, key, fingerprint=fingerprint, token=token, lock_s=LOCK_S
        )
        if creation_id is not None:
            return KeyClaim(user_id=user_id, key=key, token=token, creation_id=creation_id)
        stored = idempotency_keys.find(tx, user_id, key)
        if stored is None:  # released just now
            raise InFlight("This request is being answered right now.", retry_after_s=1)
        if stored.fingerprint != fingerprint:
            raise KeyReused("This Idempotency-Key came before, with another request.")
        if stored.status is None:
            raise InFlight("This request is being answered right now.", retry_after_s=stored.locked_for_s)
        return KeptAnswer(status=stored.status, headers=stored.headers or {}, body=stored.body or "")

    return db.transact(user_id, claim)


def keep_answer(claim: KeyClaim, answer: KeptAnswer, *, db: "Database") -> None:
    """Keep it for 24 hours, unless another has taken the key over."""
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
    """Forget the key: what was asked was refused and made nothing."""
    db.transact(
        claim.user_id,
        lambda tx: idempotency_keys.delete(tx, claim.user_id, claim.key, token=claim.token),
    )
