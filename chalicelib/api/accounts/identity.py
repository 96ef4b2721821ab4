"""Authentication: by our own token, an API key, an outside issuer's token, or as the anonymous user."""

from collections.abc import Mapping
from time import time

from chalicelib import wiring
from chalicelib.api.http.routes import Caller
from chalicelib.errors import Unauthenticated
from chalicelib.model.accounts.tokens import API_KEY_PREFIX, read_header
from chalicelib.ops.accounts import accounts, api_keys, sessions

API_KEY_HEADER = "x-api-key"


def identify(headers: Mapping[str, str]) -> Caller:
    """Return the caller. Raise Unauthenticated; a wrong credential never falls back to the anonymous user.

    Raise Unavailable when a store that is needed is not available.
    """
    settings = wiring.settings()
    authorization, key = headers.get("authorization"), headers.get(API_KEY_HEADER)
    if authorization is not None:
        scheme, _, credential = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("Authorization must be a Bearer token.", code="invalid_token")
        return _by_key(credential) if credential.startswith(API_KEY_PREFIX) else _by_token(credential)
    if key is not None:
        return _by_key(key)
    if settings.anonymous_user is None:
        raise Unauthenticated("Sign in first.")
    # On a laptop the anonymous user is also an administrator.
    return Caller(user_id=settings.anonymous_user, is_admin=settings.environment == "local")


def _by_token(token: str) -> Caller:
    if (issuer := wiring.oidc()) and read_header(token).get("alg") == "RS256":
        claims = issuer.read(token, now_s=int(time()))
        account = accounts.find_external(claims.user_id, name=claims.display_name, db=wiring.database())
        return Caller(
            user_id=claims.user_id,
            is_admin=account.role == "admin",
            plan=account.plan,
            signed_in_at=claims.auth_time,
        )
    session, account = sessions.find_session(
        token,
        now_s=int(time()),
        db=wiring.database(),
        sessions=wiring.sessions(),
        signing=wiring.signing(),
    )
    return Caller(
        user_id=session.user_id,
        is_admin=account.role == "admin",
        plan=account.plan,
        session_id=session.id,
    )


def _by_key(key: str) -> Caller:
    found = api_keys.find_key(key, db=wiring.database())
    scopes = frozenset(found.scopes)
    return Caller(
        user_id=found.user_id,
        is_admin=found.role == "admin" and "admin" in scopes,
        plan=found.plan or "free",
        scopes=scopes,
        ends_at=found.expires_at,
    )
