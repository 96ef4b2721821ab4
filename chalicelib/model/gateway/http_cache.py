"""Decides which upstream responses are cached, for whom and how long: a small part of RFC 9111.

A response is cached when the request is a GET without a body, the status is 200, and Cache-Control has max-age or
s-maxage. A `public` response is shared by all callers; any other belongs to its caller alone. `private`, `no-cache` and
`no-store` responses are not cached.

No caller can choose what another caller gets: the key (`key_of`, `variant_of`) holds all that is sent to the upstream.
Headers that differ from client to client without changing the response are not sent (`without_client_headers`). So the
response's `Vary` adds nothing.
"""

import hashlib
import json
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.model.gateway.gateway import IDENTITY_HEADER, Headers, Inbound, UpstreamAnswer
from chalicelib.model.gateway.gateway_headers import canonical_name, is_of

MAX_BODY_BYTES = 256 * 1024
MAX_AGE_S = 3600
# A request with one of these is not answered from what is kept, and its answer is not kept.
_CREDENTIALS = {"authorization", "cookie", "x-api-key"}  # of which not even a digest is to be kept
_CONDITIONAL = {"range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"}
# What describes a client or its request, and would make each client's key another: not sent.
_OF_A_CLIENT = (
    *("user-agent", "referer", "from", "dnt", "sec", "priority", "upgrade-insecure-requests", "via"),
    *("x-amz-cf", "x-amzn-trace", "traceparent", "tracestate", "baggage", "b3", "x-b3"),
)
# What is sent and is in no key: the request's id, and what is said to caches, of which only known words are taken.
_NOT_IN_KEY = {"x-request-id", "cache-control", "pragma"}
_KNOWN_DIRECTIVES = {
    *("no-cache", "no-store", "no-transform", "only-if-cached", "max-age", "max-stale", "min-fresh"),
    "stale-if-error",
}


class CachePolicy(Struct, frozen=True, kw_only=True):
    """Rules for caching a response: for all callers or one, the seconds that it stays fresh, and its age."""

    public: bool
    fresh_s: int
    age_s: int


def key_of(upstream_url: str, target: str) -> str:
    """Return the key of a URL's cached responses; a change through the gateway deletes them all."""
    return _digest([upstream_url, target])


def variant_of(headers: Headers, roles: Sequence[str] = ()) -> str:
    """Return a digest of all else that an answer may depend on: every header that is sent.

    With the caller's roles, which the upstream is told, it is the digest for the caller's own answers.
    """
    sent = [(name.lower(), value) for name, value in headers if canonical_name(name) not in _NOT_IN_KEY]
    return _digest([sorted(sent, key=lambda each: each[0]), list(roles)])


def without_client_headers(inbound: Inbound) -> Inbound:
    """Return the request without what tells its client from others: address, browser, page, trace."""
    headers = tuple(each for each in inbound.headers if not is_of(canonical_name(each[0]), _OF_A_CLIENT))
    return replace(inbound, headers=headers, client=replace(inbound.client, address=""))


def by_name(headers: Headers) -> dict[str, str]:
    """Return header values by canonical name, repeated ones joined, and X_A's with X-A's."""
    found: dict[str, str] = {}
    for name, value in headers:
        same = canonical_name(name)
        found[same] = f"{found[same]}, {value}" if same in found else value
    return found


def is_cacheable(method: str, headers: Headers, body: bytes) -> bool:
    """Return whether this request, as it is sent, may be answered from what is kept, or its answer be kept."""
    request = by_name(headers)
    said = _directives(request.get("cache-control", ""))
    is_plain = said.keys() <= _KNOWN_DIRECTIVES and all(
        _seconds(value or "0") is not None for value in said.values()
    )
    return (
        method == "GET"
        and not body
        and not request.keys() & (_CREDENTIALS | _CONDITIONAL)
        and "no-store" not in said
        and is_plain
        and request.get("pragma", "no-cache").lower() == "no-cache"
    )


def accepts_cached(headers: Headers) -> bool:
    """Return whether the caller takes an answer that was kept."""
    request = by_name(headers)
    asked = _directives(request.get("cache-control", ""))
    return "pragma" not in request and not asked.keys() & {"no-cache", "max-age", "min-fresh"}


def cache_policy_of(answer: UpstreamAnswer) -> CachePolicy | None:
    """Return how the answer may be kept; None: not at all."""
    given = by_name(answer.headers)
    said = _directives(given.get("cache-control", ""))
    varies_by = {
        canonical_name(name.strip()) for name in given.get("vary", "").split(",") if name.strip() != "*"
    }
    # What is signed for each request is never the same again, and in no key.
    unique = "*" in given.get("vary", "") or varies_by & {IDENTITY_HEADER.lower(), *_NOT_IN_KEY}
    if said.keys() & {"no-store", "no-cache", "private"} or "set-cookie" in given or unique:
        return None
    if answer.status != 200 or len(answer.body) > MAX_BODY_BYTES:
        return None
    lifetime_s, age_s = _seconds(said.get("s-maxage", said.get("max-age"))), _seconds(given.get("age", "0"))
    if lifetime_s is None or age_s is None or age_s >= lifetime_s:
        return None
    return CachePolicy(
        public="public" in said, fresh_s=min(lifetime_s, MAX_AGE_S + age_s) - age_s, age_s=age_s
    )


def _directives(text: str) -> dict[str, str]:
    """Return Cache-Control's directives; a repeated one keeps its first value."""
    found: dict[str, str] = {}
    for part in filter(str.strip, text.split(",")):
        name, _, value = part.strip().partition("=")
        found.setdefault(name.strip().lower(), value.strip().strip('"'))
    return found


def _seconds(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit():
        return None
    return min(int(text[:10]), 2**31)


def _digest(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
