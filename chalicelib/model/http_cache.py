"""Decides which responses of an upstream may be cached, for whom and how long: a strict subset of RFC 9111.

Only responses to GET with status 200 and an explicit max-age or s-maxage are cached. A `public` response is cached
for all callers, any other only for its own caller. `private`, `no-cache` and `no-store` responses are not cached.
"""

import hashlib
import json
from collections.abc import Mapping

from msgspec import Struct

from chalicelib.model.gateway import IDENTITY_HEADER, Headers, UpstreamAnswer
from chalicelib.model.gateway_headers import plain

MAX_BODY_BYTES = 256 * 1024
MAX_AGE_S = 3600
# A response that varies by one of these is not cached: the values that it varies by are stored with it.
_SECRET = {"authorization", "cookie", "x-api-key"}
_CONDITIONAL = ("range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range")


class Storing(Struct, frozen=True, kw_only=True):
    """How to cache a response: `fresh_s` and `age_s` are seconds.

    `vary` has the request's values of the headers that the response varies by. `absent` has those of these headers
    that the request did not have.
    """

    public: bool
    fresh_s: int
    age_s: int
    vary: Mapping[str, str]
    absent: tuple[str, ...]

    @property
    def variant(self) -> str:
        return _digest([sorted(self.vary.items()), sorted(self.absent)])


def key_of(upstream_url: str, target: str) -> str:
    return _digest([upstream_url, target])


def by_name(headers: Headers) -> dict[str, str]:
    """Return header values by name in its plain spelling. Values of one name, also of X_A and X-A, are joined."""
    found: dict[str, str] = {}
    for name, value in headers:
        same = plain(name)
        found[same] = f"{found[same]}, {value}" if same in found else value
    return found


def may_look_up(method: str, request: Mapping[str, str]) -> bool:
    """Return whether a request may be answered from the cache. `request` has header values by lower-case name."""
    asked = _directives(request.get("cache-control", ""))
    refuses = asked.keys() & {"no-cache", "no-store", "max-age", "min-fresh"} or "pragma" in request
    return _may_use(method, request) and not refuses


def storing_of(method: str, request: Mapping[str, str], answer: UpstreamAnswer) -> Storing | None:
    """Return how the response may be cached, or None if it must not be.

    `request` has the headers that the upstream saw, by lower-case name.
    """
    given = by_name(answer.headers)
    said = _directives(given.get("cache-control", ""))
    names = [name.strip().lower() for name in given.get("vary", "").split(",") if name.strip()]
    # The identity header is signed for each request, so no two are equal; `request` does not have it.
    unique = {"*", IDENTITY_HEADER.lower()} & set(names) or _SECRET & set(names) & request.keys()
    if said.keys() & {"no-store", "no-cache", "private"} or "set-cookie" in given or unique:
        return None
    if "no-store" in _directives(request.get("cache-control", "")) or not _may_use(method, request):
        return None
    if answer.status != 200 or len(answer.body) > MAX_BODY_BYTES:
        return None
    lifetime_s, age_s = _seconds(said.get("s-maxage", said.get("max-age"))), _seconds(given.get("age", "0"))
    if lifetime_s is None or age_s is None or age_s >= lifetime_s:
        return None
    return Storing(
        public="public" in said,
        fresh_s=min(lifetime_s, MAX_AGE_S + age_s) - age_s,
        age_s=age_s,
        vary={name: request[name] for name in names if name in request},
        absent=tuple(sorted(name for name in set(names) if name not in request)),
    )


def _may_use(method: str, request: Mapping[str, str]) -> bool:
    return method == "GET" and not any(name in request for name in _CONDITIONAL)


def _directives(text: str) -> dict[str, str]:
    """Return the directives of Cache-Control by lower-case name. A repeated directive keeps its first value.

    If that value is not a number of seconds, the response is not cached.
    """
    found: dict[str, str] = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        found.setdefault(name.strip().lower(), value.strip().strip('"'))
    return found


def _seconds(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit():
        return None
    return min(int(text[:10]), 2**31)


def _digest(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
