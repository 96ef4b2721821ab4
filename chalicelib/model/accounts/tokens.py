"""Makes and reads access tokens (JWT, RFC 7519, signed with HS256), refresh tokens and API keys.

An access token names the user and the session of a request, and is valid for 15 minutes. It is not enough by itself:
the session's row must still exist (ops/accounts/sessions.py). Refresh tokens and API keys are random and stored as
hashes.
"""

import hashlib
import secrets
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import msgspec
from msgspec import Struct

from chalicelib.errors import Unauthenticated
from chalicelib.model.library.items import USER_ID
from chalicelib.patterns import pattern

if TYPE_CHECKING:
    from jwt import PyJWS

C = TypeVar("C", bound=msgspec.Struct)

ACCESS_TOKEN_S = 15 * 60
SKEW_S = 30  # allowed difference between the clocks of two machines; it never extends `exp`
API_KEY_PREFIX = "ck_"
_TYPE = "JWT"
_MAX_CHARS = 8192
_COMPACT = pattern(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z")
_SESSION_ID = pattern(r"[0-9a-f]{44}\Z")
_SECRET = pattern(r"[A-Za-z0-9_-]{43}\Z")


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of an access token. Times are seconds since 1970. All claims but `nbf` are required."""

    iss: str
    aud: str
    sub: str
    sid: str
    jti: str
    iat: int
    exp: int
    nbf: int = 0


class Signing(Struct, frozen=True, kw_only=True):
    """Signing settings. The first of `secrets` signs; tokens signed with the others stay valid until they expire."""

    __repr__ = object.__repr__  # no secret in a log
    secrets: tuple[str, ...]
    issuer: str
    audience: str

    def by_kid(self) -> dict[str, str]:
        return {key_id(secret): secret for secret in self.secrets}


class RefreshToken(Struct, frozen=True, kw_only=True):
    """A refresh token: `<user>.<session>.<secret>`. The user's id may have dots, the other parts have none."""

    __repr__ = object.__repr__  # no secret in a log
    user_id: str
    session_id: str
    secret: str

    def __str__(self) -> str:
        return f"{self.user_id}.{self.session_id}.{self.secret}"


def key_id(secret: str) -> str:
    """Return the `kid` of a secret. It reveals no more of the secret than a signed token does."""
    return hashlib.sha256(b"kid:" + secret.encode()).hexdigest()[:16]


def make_access_token(signing: Signing, *, user_id: str, session_id: str, now_s: int) -> str:
    claims = Claims(
        iss=signing.issuer,
        aud=signing.audience,
        sub=user_id,
        sid=session_id,
        jti=uuid4().hex,
        iat=now_s,
        exp=now_s + ACCESS_TOKEN_S,
    )
    secret, payload = signing.secrets[0], msgspec.json.encode(claims)
    return hs256().encode(payload, secret, "HS256", {"kid": key_id(secret), "typ": _TYPE})


def read_access_token(signing: Signing, token: str, *, now_s: int) -> Claims:
    """Return the claims of an access token.

    Raise Unauthenticated for a token that make_access_token did not make, or that has expired.
    """
    header = read_header(token)
    secret = signing.by_kid().get(str(header.get("kid")))
    if secret is None or header.get("typ") != _TYPE:
        raise invalid_token_error()
    claims = verified(hs256(), token, secret, Claims)
    if (claims.iss, claims.aud) != (signing.issuer, signing.audience):
        raise invalid_token_error()
    if not USER_ID.match(claims.sub) or not _SESSION_ID.match(claims.sid):
        raise invalid_token_error()
    check_times(claims, now_s=now_s)
    return claims


def read_header(token: str) -> Mapping[str, Any]:
    """Return the header of a token; it is not verified yet.

    Raise Unauthenticated unless the token is three parts in RFC 7515's alphabet without padding, and its header has no
    `crit`.
    """
    from jwt import PyJWS
    from jwt.exceptions import InvalidTokenError

    if len(token) > _MAX_CHARS or not _COMPACT.match(token):
        raise invalid_token_error()
    try:
        # Without the other parts, which PyJWT checks character by character: `verified` reads them.
        header = PyJWS(algorithms=[]).get_unverified_header(token.partition(".")[0] + "..")
    except (InvalidTokenError, ValueError) as error:
        raise invalid_token_error() from error
    if "crit" in header:  # RFC 7515 4.1.11: a token with an unknown extension must be refused; we know none
        raise invalid_token_error()
    return header


def verified(jws: "PyJWS", token: str, key: Any, type_: type[C]) -> C:
    """Return a token's claims as `type_`. Raise Unauthenticated unless `key` signed it with the algorithm of `jws`."""
    from jwt.exceptions import InvalidTokenError

    try:
        payload = jws.decode(token, key, algorithms=jws.get_algorithms())
        return msgspec.json.decode(payload, type=type_)
    except (InvalidTokenError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid_token_error() from error


def check_times(claims: Any, *, now_s: int) -> None:
    """Raise Unauthenticated from `exp` on, and more than SKEW_S before `iat` or `nbf`."""
    if claims.exp <= now_s:
        raise Unauthenticated("This token has expired; refresh it.", code="token_expired")
    if max(claims.iat, claims.nbf) > now_s + SKEW_S:
        raise invalid_token_error()


def invalid_token_error() -> Unauthenticated:
    return Unauthenticated("This token is not valid.", code="invalid_token")


def new_session_id(now_ms: int) -> str:
    """Return a new session id: the time, so that ids sort by age, then 128 random bits."""
    return f"{now_ms:012x}{secrets.token_hex(16)}"


def new_refresh_token(user_id: str, session_id: str) -> RefreshToken:
    return RefreshToken(user_id=user_id, session_id=session_id, secret=secrets.token_urlsafe(32))


def read_refresh_token(text: str) -> RefreshToken:
    """Return the parts of a refresh token. Raise Unauthenticated for a text that cannot be one."""
    user_id, session_id, secret = ["", "", *text.rsplit(".", 2)][-3:]
    if not USER_ID.match(user_id) or not _SESSION_ID.match(session_id) or not _SECRET.match(secret):
        raise invalid_token_error()
    return RefreshToken(user_id=user_id, session_id=session_id, secret=secret)


def new_api_key() -> str:
    return API_KEY_PREFIX + secrets.token_urlsafe(32)


def sha256_of(secret: str) -> str:
    """Return the hash of a secret. A fast hash is enough: 256 random bits cannot be guessed."""
    return hashlib.sha256(secret.encode()).hexdigest()


@cache
def hs256() -> "PyJWS":
    from jwt import PyJWS

    return PyJWS(algorithms=["HS256"])
