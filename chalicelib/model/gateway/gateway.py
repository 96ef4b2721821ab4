"""What goes through the gateway and in which form: paths, queries, the caller's identity. Headers: gateway_headers."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote

from msgspec import Struct

from chalicelib.errors import InvalidInput

Headers = tuple[tuple[str, str], ...]
IDENTITY_HEADER = "X-Collections-Identity"
IDENTITY_TTL_S = 60
MAX_TARGET_CHARS = 8192
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


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
