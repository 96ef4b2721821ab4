"""What goes through the gateway and in which form: paths, queries, headers, the caller's identity."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote, unquote

from msgspec import Struct

from chalicelib.errors import InvalidInput

Headers = tuple[tuple[str, str], ...]
IDENTITY_HEADER = "X-Collections-Identity"
IDENTITY_TTL_S = 60
MAX_TARGET_CHARS = 8192
# RFC 9110 7.6.1, and what proxies of old used.
HOP_BY_HOP = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te"),
    *("trailer", "transfer-encoding", "upgrade", "http2-settings"),
}
# What only the gateway may say, by any of its names: where a request comes from, which path and method it has.
_OURS = {
    *("host", "content-length", "expect", "forwarded", "x-request-id", "x-real-ip", "x-client-ip"),
    *("x-cluster-client-ip", "true-client-ip", "cf-connecting-ip", "cf-connecting-ipv6", "fastly-client-ip"),
    *(
        "x-forwarded",
        "forwarded-for",
        "x-remote-ip",
        "x-remote-addr",
        "x-originating-ip",
        "x-appengine-user-ip",
    ),
    *("proxy-client-ip", "wl-proxy-client-ip", "proxy"),  # the last is CGI's HTTP_PROXY (CVE-2016-5385)
    *("x-original-forwarded-for", "x-original-url", "x-original-uri", "x-rewrite-url", "x-original-host"),
    *("x-host", "x-http-host-override", "x-http-method", "x-http-method-override", "x-method-override"),
}
_OUR_PREFIXES = ("x-forwarded-", "x-collections-")
_CREDENTIALS = frozenset({"authorization", "x-api-key"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*\Z")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SEGMENTS_END = re.compile(r"[;?#\x00]")
# RFC 3986: what a path, and what a query may have in it besides letters, digits, - . _ ~ and escapes.
_PATH_SAFE, _QUERY_SAFE = "/%!$&'()*+,;=:@", "/?%!$&'()*+,;=:@"


class Client(Struct, frozen=True, kw_only=True):
    """Where a request comes from, as API Gateway saw it: `address` may be "", `host` is the one that was asked."""

    address: str
    host: str
    scheme: str


class Inbound(Struct, frozen=True, kw_only=True):
    """A request to be forwarded: `path` and `query` encoded as on the wire, headers in order, repeated ones too."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes
    client: Client
    request_id: str


class Outbound(Struct, frozen=True, kw_only=True):
    """A request as it is sent; `target` begins with one slash. Host and Content-Length are the connection's."""

    method: str
    target: str
    headers: Headers
    body: bytes


class UpstreamAnswer(Struct, frozen=True, kw_only=True):
    status: int
    headers: Headers
    body: bytes


class Identity(Struct, frozen=True, kw_only=True):
    """Whom a request is for; "" is nobody, on a public route."""

    user_id: str
    roles: tuple[str, ...] = ()


def encode_path(path: str) -> str:
    """The path as it may go on the wire: escapes stay as they are, whatever else is not allowed is escaped.

    Some of AWS' services hand the path over decoded, HTTP APIs among them. Raises InvalidInput for one that
    an upstream could take for another than it is.
    """
    encoded = quote(_ESCAPE.sub("%25", path), safe=_PATH_SAFE)
    if not path.startswith("/") or {".", ".."} & set(seen_segments(encoded)):
        raise InvalidInput("The path must begin with a slash and have no . or .. in it.", code="invalid_path")
    return encoded


def seen_segments(path: str) -> list[str]:
    """A path's segments as some server may see them: decoded, even twice, and cut off before ;parameters or NUL."""
    seen = unquote(unquote(path)).replace("\\", "/").split("/")
    return [_SEGMENTS_END.split(segment)[0] for segment in seen]


def encode_query(raw: str) -> str:
    """A query string as it was sent, with what could end the request line escaped."""
    return quote(_ESCAPE.sub("%25", raw), safe=_QUERY_SAFE)


def encode_parameters(parameters: Mapping[str, Sequence[str]]) -> str:
    """A query string of decoded parameters: a name's values in order, names as they come."""
    return "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}"
        for name, values in parameters.items()
        for value in values
    )


def target_of(base_path: str, prefix: str, inbound: Inbound) -> str:
    """The request target: the upstream's own path, then the caller's without `prefix`, then the query."""
    path = base_path.rstrip("/") + (inbound.path[len(prefix) :] or "/")
    target = f"{path}?{inbound.query}" if inbound.query else path
    # Some servers read //name as a host.
    if path.startswith("//") or len(target) > MAX_TARGET_CHARS:
        raise InvalidInput("The path begins with two slashes, or is too long.", code="invalid_path")
    return target


def request_headers(inbound: Inbound, *, pass_authorization: bool) -> Headers:
    """The caller's end-to-end headers, and after them ours."""
    dropped = _OURS if pass_authorization else _OURS | _CREDENTIALS
    passed = [
        (name, value)
        for name, value in end_to_end(inbound.headers)
        if (same := plain(name)) not in dropped and not same.startswith(_OUR_PREFIXES)
    ]
    if not are_well_formed(passed):
        raise InvalidInput("A header has characters that no header can have.", code="invalid_header")
    return (*passed, *_forwarding(inbound))


def response_headers(headers: Headers) -> Headers:
    """An upstream's end-to-end headers without those that are the gateway's to say."""
    dropped = {"content-length", "x-request-id"}
    return tuple((name, value) for name, value in end_to_end(headers) if name.lower() not in dropped)


def end_to_end(headers: Headers) -> Headers:
    """Without the hop-by-hop headers and those that Connection names (RFC 9110 7.6.1)."""
    named = {
        plain(option.strip())
        for name, value in headers
        if plain(name) == "connection"
        for option in value.split(",")
    }
    return tuple((name, value) for name, value in headers if plain(name) not in HOP_BY_HOP | named)


def are_well_formed(headers: Iterable[tuple[str, str]]) -> bool:
    return all(_TOKEN.match(name) and _VALUE.match(value) for name, value in headers)


def identity_key(secret: str, upstream: str) -> bytes:
    """The key an upstream verifies with. Each has its own, so that none can speak for a caller to another."""
    return hmac.digest(secret.encode(), f"collections gateway identity 1 {upstream}".encode(), "sha256")


def sign_identity(
    identity: Identity, *, key: bytes, upstream: str, method: str, path: str, request_id: str, now_s: float
) -> str:
    """v1,<claims>,<HMAC-SHA256 of what stands before>, both base64url: `path` is the one the upstream is asked for."""
    claims = {
        "sub": identity.user_id,
        "roles": identity.roles,
        "aud": upstream,
        "method": method,
        "path": path,
        "jti": request_id,
        "exp": int(now_s) + IDENTITY_TTL_S,
    }
    signed = f"v1,{_base64(json.dumps(claims, separators=(',', ':')).encode())}"
    return f"{signed},{_base64(hmac.digest(key, signed.encode(), hashlib.sha256))}"


def _forwarding(inbound: Inbound) -> Headers:
    """RFC 7239, and what everybody reads instead."""
    client = inbound.client
    port = "443" if client.scheme == "https" else "80"
    node = f'"[{client.address}]"' if ":" in client.address else client.address or "unknown"
    return (
        ("Forwarded", f'for={node};host="{client.host}";proto={client.scheme}'),
        ("X-Forwarded-For", client.address or "unknown"),
        ("X-Forwarded-Host", client.host),
        ("X-Forwarded-Port", client.host.rpartition(":")[2] if _has_port(client.host) else port),
        ("X-Forwarded-Proto", client.scheme),
        ("X-Request-Id", inbound.request_id),
    )


def _has_port(host: str) -> bool:
    return host.rpartition("]")[2].rpartition(":")[2].isdigit() and ":" in host.rpartition("]")[2]


def plain(name: str) -> str:
    """A header's name in the one spelling that all count for: CGI and WSGI take X_A and X-A for the same."""
    return name.lower().replace("_", "-")


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
