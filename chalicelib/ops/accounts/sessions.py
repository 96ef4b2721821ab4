"""Begins, refreshes, finds, lists and ends sessions."""

import logging
from itertools import islice
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.errors import Unauthenticated
from chalicelib.model.accounts import tokens
from chalicelib.model.accounts.accounts import PasswordAccount, StoredAccount
from chalicelib.model.accounts.passwords import hash_password, is_outdated, matches
from chalicelib.model.accounts.sessions import SESSION_S, Device, Session
from chalicelib.model.accounts.tokens import Signing
from chalicelib.stores.accounts import accounts

if TYPE_CHECKING:
    from chalicelib.stores.accounts.sessions import Sessions
    from chalicelib.stores.postgres.postgres import Database

log = logging.getLogger("collections.sessions")


class Tokens(Struct, frozen=True, kw_only=True):
    """The tokens of a session. The refresh token is valid once, until `session_expires_at`."""

    __repr__ = object.__repr__  # no secret in a log
    access_token: str
    expires_in_s: int
    refresh_token: str
    session_id: str
    session_expires_at: int


def log_in(
    email: str,
    password: str,
    *,
    device: Device,
    now_ms: int,
    db: "Database",
    sessions: "Sessions",
    signing: Signing,
) -> Tokens:
    """Begin a session. Raise the same Unauthenticated, after the same work, whatever is wrong.

    A password change ends all sessions. If a login with the old password runs at the same time, its session either
    exists when the others are ended, and is ended too, or it reads the account again and sees the change.
    """
    account = db.transact_as_gatekeeper(lambda tx: accounts.find_by_email(tx, email))
    right = matches(account.password_hash if account else None, password)
    if account is None or not right or account.disabled_at is not None:
        raise _wrong()
    if is_outdated(account.password_hash, password):
        _hash_again(account, password, db=db)
    begun = _begin(account.user_id, device=device, now_ms=now_ms, sessions=sessions, signing=signing)
    now = db.transact_as_gatekeeper(lambda tx: accounts.find_by_email(tx, email))
    if now is None or not _is_same_password(account, now, password):
        sessions.delete(account.user_id, begun.session_id)
        raise _wrong()
    return begun


def refresh(
    refresh_token: str, *, now_s: int, db: "Database", sessions: "Sessions", signing: Signing
) -> Tokens:
    """Return two new tokens. The old refresh token becomes invalid; if it is used again, the session ends.

    Two refreshes with one token at the same time also end the session, as the second one may be a thief's
    (RFC 9700 4.14.2). Raise Unauthenticated.
    """
    given = tokens.read_refresh_token(refresh_token)
    account = db.transact(given.user_id, lambda tx: accounts.find(tx, given.user_id))
    if account is None or account.disabled_at is not None:
        raise _over()
    fresh = tokens.new_refresh_token(given.user_id, given.session_id)
    outcome = sessions.rotate(
        given.user_id,
        given.session_id,
        old_sha256=tokens.sha256_of(given.secret),
        new_sha256=tokens.sha256_of(fresh.secret),
        now_s=now_s,
        expires_at=now_s + SESSION_S,
    )
    if outcome == "reused":
        sessions.delete(given.user_id, given.session_id)
        log.warning("refresh token used twice: session ended", extra={"user_id": given.user_id})
    if outcome != "rotated":
        raise _over()
    return _tokens(fresh, now_s=now_s, signing=signing)


def find_session(
    access_token: str, *, now_s: int, db: "Database", sessions: "Sessions", signing: Signing
) -> tuple[Session, StoredAccount]:
    """Return the access token's session, and its account as it is now.

    Raise Unauthenticated if the session was ended or the account is disabled. Both take effect with the next request.
    """
    claims = tokens.read_access_token(signing, access_token, now_s=now_s)
    session = sessions.find(claims.sub, claims.sid, now_s=now_s)
    account = db.read(claims.sub, lambda tx: accounts.find(tx, claims.sub)) if session else None
    if session is None or account is None or account.disabled_at is not None:
        raise _over()
    return session, account


def list_sessions(
    user_id: str, *, after: str | None, limit: int, now_s: int, sessions: "Sessions"
) -> tuple[list[Session], str | None]:
    """Return a page of the user's sessions, newest first, and the cursor of the next page."""
    found = list(islice(sessions.list_live(user_id, before=after, now_s=now_s), limit + 1))
    return found[:limit], found[limit - 1].id if len(found) > limit else None


def end(user_id: str, session_id: str, *, sessions: "Sessions") -> None:
    """End the session. Its tokens are refused from now on."""
    sessions.delete(user_id, session_id)


def end_all(user_id: str, *, but: str | None = None, now_s: int, sessions: "Sessions") -> None:
    for session in sessions.list_live(user_id, before=None, now_s=now_s):
        if session.id != but:
            sessions.delete(user_id, session.id)


def _is_same_password(before: PasswordAccount, now: PasswordAccount, password: str) -> bool:
    """Return True if both hashes are of this password. Another login may have hashed it again meanwhile."""
    return now.password_hash == before.password_hash or matches(now.password_hash, password)


def _hash_again(account: PasswordAccount, password: str, *, db: "Database") -> None:
    """Hash the password under today's parameters and store that."""
    user_id, old_hash, new_hash = account.user_id, account.password_hash, hash_password(password)
    db.transact(user_id, lambda tx: accounts.set_password_hash(tx, user_id, new_hash, old_hash=old_hash))


def _begin(user_id: str, *, device: Device, now_ms: int, sessions: "Sessions", signing: Signing) -> Tokens:
    now_s = now_ms // 1000
    token = tokens.new_refresh_token(user_id, tokens.new_session_id(now_ms))
    sessions.insert(
        Session(
            user_id=token.user_id,
            id=token.session_id,
            refresh_sha256=tokens.sha256_of(token.secret),
            created_at=now_s,
            last_used_at=now_s,
            expires_at=now_s + SESSION_S,
            user_agent=device.user_agent,
            address=device.address,
        )
    )
    return _tokens(token, now_s=now_s, signing=signing)


def _tokens(token: tokens.RefreshToken, *, now_s: int, signing: Signing) -> Tokens:
    return Tokens(
        access_token=tokens.make_access_token(
            signing, user_id=token.user_id, session_id=token.session_id, now_s=now_s
        ),
        expires_in_s=tokens.ACCESS_TOKEN_S,
        refresh_token=str(token),
        session_id=token.session_id,
        session_expires_at=now_s + SESSION_S,
    )


def _wrong() -> Unauthenticated:
    return Unauthenticated("The address or the password is wrong.", code="invalid_credentials")


def _over() -> Unauthenticated:
    return Unauthenticated("This session is over; sign in again.", code="session_over")
