"""Reads the tokens of an outside OpenID Connect issuer, such as Cognito or Auth0, and fetches its keys."""

import hashlib
import json
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import msgspec

from chalicelib.errors import Unavailable
from chalicelib.model.accounts.rs256 import PublicKey, public_keys, rs256
from chalicelib.model.accounts.tokens import check_times, invalid_token_error, read_header, verified
from chalicelib.model.gateway.gateway import encode_query
from chalicelib.model.text import UNSTORABLE
from chalicelib.providers.http.client import HttpClient
from chalicelib.providers.http.dial import ExchangeFailed, origin_of

KEYS_KEPT_S = 3600.0
REFETCH_S = 60.0  # after an unknown kid, which anybody can send
RETRY_S = 5.0  # after a failure, so that not every request waits for an issuer that hangs
TIMEOUT_S = 5.0
MAX_BYTES = 1_000_000
MAX_NAME_CHARS = 200
_HEADERS = (("Accept", "application/json"), ("Accept-Encoding", "identity"), ("User-Agent", "collections"))


class IssuerClaims(msgspec.Struct, frozen=True, kw_only=True):
    """Claims by OpenID Connect Core 2 and RFC 9068.

    Cognito's access tokens have their client in place of an audience.
    """

    iss: str
    sub: str
    exp: int
    iat: int = 0
    nbf: int = 0
    auth_time: int | None = None
    aud: str | list[str] | None = None
    client_id: str | None = None
    name: str = ""

    @property
    def display_name(self) -> str:
        return UNSTORABLE.sub("", self.name)[:MAX_NAME_CHARS]

    def is_for(self, audience: str) -> bool:
        if self.aud is None:
            return self.client_id == audience
        return audience == self.aud if isinstance(self.aud, str) else audience in self.aud

    @property
    def user_id(self) -> str:
        return "oidc-" + hashlib.sha256(f"{self.iss}|{self.sub}".encode()).hexdigest()[:40]


class OidcIssuer:
    """An issuer. Its keys are cached for an hour. Thread-safe."""

    def __init__(self, *, issuer: str, audience: str, clock: Callable[[], float] = monotonic) -> None:
        self._issuer, self._audience, self._clock = issuer, audience, clock
        self._fetching = threading.Lock()
        self._keys: dict[str, PublicKey] = {}
        self._asked_at = float("-inf")
        self._fetched_at = float("-inf")

    def read(self, token: str, *, now_s: int) -> IssuerClaims:
        """Return the token's claims. Raise Unauthenticated; Unavailable while the keys cannot be fetched."""
        kid = read_header(token).get("kid")
        key = self._key(kid) if isinstance(kid, str) else None
        if key is None:
            raise invalid_token_error()
        claims = verified(rs256(), token, key, IssuerClaims)
        if claims.iss != self._issuer or not claims.sub or not claims.is_for(self._audience):
            raise invalid_token_error()
        check_times(claims, now_s=now_s)
        return claims

    def _key(self, kid: str) -> PublicKey | None:
        with self._fetching:
            waited_s = self._clock() - self._asked_at
            stale = self._clock() - self._fetched_at > KEYS_KEPT_S
            if stale and waited_s < RETRY_S:
                raise _unusable()
            if stale or (kid not in self._keys and waited_s > REFETCH_S):
                self._fetch()
            return self._keys.get(kid)

    def _fetch(self) -> None:
        self._asked_at = self._clock()
        document = fetch_json(self._issuer.rstrip("/") + "/.well-known/openid-configuration")
        try:
            if document["issuer"] != self._issuer:
                raise ValueError("another issuer")
            self._keys = public_keys(fetch_json(self._beside(document["jwks_uri"])))
        except (ValueError, TypeError, KeyError) as error:
            raise _unusable() from error
        self._fetched_at = self._clock()

    def _beside(self, url: Any) -> str:
        """Return the URL of the keys. Raise Unavailable unless it uses TLS or has the issuer's own origin."""
        if not isinstance(url, str):
            raise TypeError("no address")
        theirs, ours = urlsplit(url), urlsplit(self._issuer)
        if theirs.scheme != "https" and (theirs.scheme, theirs.netloc) != (ours.scheme, ours.netloc):
            raise ValueError("not https")
        return url


def fetch_json(url: str) -> Any:
    """GET a document of at most 1 MB within 5 s, without following redirects. Raise Unavailable."""
    give_up_at = monotonic() + TIMEOUT_S
    try:
        origin, query = origin_of(url), urlsplit(url).query
        target = (urlsplit(url).path or "/") + (f"?{encode_query(query)}" if query else "")
        with HttpClient(origin).ask("GET", target, headers=_HEADERS, give_up_at=give_up_at) as answer:
            if answer.status != 200:
                raise _unusable()
            return json.loads(answer.read(MAX_BYTES))
    except (ExchangeFailed, ValueError, RecursionError) as error:
        raise _unusable() from error


def _unusable() -> Unavailable:
    return Unavailable(
        "The keys of the tokens' issuer cannot be fetched; try again soon.", code="oidc_unavailable"
    )
