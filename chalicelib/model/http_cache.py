"""Which answers may be kept, for whom and how long: a small part of RFC 9111, and nothing beyond what it allows.

Only GET, only 200, only with an explicit max-age or s-maxage. `public` answers are everybody's; all others
are the caller's alone, who is the only one to get them again. `private`, `no-cache` and `no-store` are not kept.
"""

import hashlib
import json
from collections.abc import Mapping

from msgspec import Struct

from chalicelib.model.gateway import IDENTITY_HEADER, Headers, UpstreamAnswer
from chalicelib.model.gateway_headers import plain

MAX_BODY_BYTES = 256 * 1024
MAX_AGE_S = 3600
_SECRET = {"authorization", "cookie", "x-api-key"}  # what an answer varies by is kept with it
_CONDITIONAL = ("range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range")


class Storing(Struct, frozen=True, kw_only=True):
    """How to keep an answer: `vary` are the request's values that it was chosen by, `absent` headers it had not."""

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
    """Header values by lower-case name, repeated ones joined, and X_A's with X-A's."""
    found: dict[str, str] = {}
    for name, value in headers:
        same = plain(name)
        found[same] = f"{found[same]}, {value}" if same in found else value
    return found


def may_look_up(method: str, request: Mapping[str, str]) -> bool:
    """Whether a kept answer will do."""
    asked = _directives(request.get("cache-control", ""))
    refuses = asked.keys() & {"no-cache", "no-store", "max-age", "min-fresh"} or "pragma" in request
    return _may_use(method, request) and not refuses


def storing_of(method: str, request: Mapping[str, str], answer: UpstreamAnswer) -> Storing | None:
    """How the answer may be kept, if it may. `request` are the headers that the upstream saw, by lower-case name."""
    given = by_name(answer.headers)
    said = _directives(given.get("cache-control", ""))
    names = [name.strip().lower() for name in given.get("vary", "").split(",") if name.strip()]
    # What is signed for each request is never the same again, and not among `request`.
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
    """Cache-Control's directives. A repeated one keeps its first value, a value of it that is not one ends it all."""
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
