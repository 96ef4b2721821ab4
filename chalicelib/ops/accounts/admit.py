"""Admission by rate limits: count requests, and decide what passes while nothing can be counted."""

import hashlib
from collections.abc import Sequence
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING

from chalicelib.errors import RateLimited, Unavailable
from chalicelib.model.accounts.limits import (
    LET_THROUGH_UNCOUNTED,
    MICROSECONDS,
    Admission,
    Cost,
    Limit,
    address_key,
)
from chalicelib.stores.accounts import accounts

if TYPE_CHECKING:
    from chalicelib.stores.accounts.rate_limits import RateLimits
    from chalicelib.stores.accounts.sessions import Sessions
    from chalicelib.stores.postgres.postgres import Database

SESSIONS_LOOKED_AT = 100
NOBODY = "u-nobody"


def admit(key: str, limits: Sequence[Limit], *, cost: Cost, store: "RateLimits") -> Admission | None:
    """Count one request of the key. Return None when DynamoDB is away and this cost passes uncounted.

    Raise RateLimited, and Unavailable when this cost does not pass uncounted.
    """
    try:
        admission = store.take(key, limits)
    except Unavailable:
        if LET_THROUGH_UNCOUNTED[cost]:
            return None
        raise
    if admission.admitted:
        return admission
    raise _rate_limited(admission)


def refuse_known(key: str, limits: Sequence[Limit], *, store: "RateLimits") -> None:
    """Raise RateLimited when the key is known to have reached a limit. Count nothing, and make no call."""
    if refusal := store.recall_refusal(key, limits):
        raise _rate_limited(refusal)


def admit_login(
    email: str,
    address: str,
    limits: Sequence[Limit],
    *,
    db: "Database",
    sessions: "Sessions",
    store: "RateLimits",
    now_s: int,
) -> None:
    """Count one attempt at an account's password, whether there is such an account or not.

    An address where the account is signed in has a count of its own: guesses from elsewhere do not lock the owner
    out. Raise RateLimited, and Unavailable.
    """
    account = f"account:{hashlib.sha256(email.lower().encode()).hexdigest()}"
    try:
        admit(account, limits, cost="login", store=store)
    except RateLimited:
        place = address_key(address)
        if not _is_signed_in_at(email, place, db=db, sessions=sessions, now_s=now_s):
            raise
        admit(f"{account}@{place}", limits, cost="login", store=store)


def admit_mail(email: str, purpose: str, limits: Sequence[Limit], *, store: "RateLimits") -> None:
    """Count one mail to an address. Raise RateLimited, and Unavailable.

    Each purpose has its own count, so that a flood of one kind does not stop the other. The part after a "+" is
    dropped, as most mail services drop it.
    """
    local, _, domain = email.lower().partition("@")
    mailbox = f"{local.partition('+')[0]}@{domain}"
    key = f"mail:{purpose}:{hashlib.sha256(mailbox.encode()).hexdigest()}"
    admit(key, limits, cost="login", store=store)


def _rate_limited(refusal: Admission) -> RateLimited:
    retry_after_s = refusal.retry_after_us / MICROSECONDS
    return RateLimited(
        f"Too many requests; try again in {ceil(retry_after_s)} s.",
        retry_after_s=retry_after_s,
        admission=refusal,
    )


def _is_signed_in_at(email: str, place: str, *, db: "Database", sessions: "Sessions", now_s: int) -> bool:
    """Return whether the account has a session at this place.

    An unknown address costs the same query, so that the time reveals nothing.
    """
    account = db.transact_as_gatekeeper(lambda tx: accounts.find_by_email(tx, email))
    live = sessions.list_live(account.user_id if account else NOBODY, before=None, now_s=now_s)
    return any(address_key(session.address) == place for session in islice(live, SESSIONS_LOOKED_AT))
