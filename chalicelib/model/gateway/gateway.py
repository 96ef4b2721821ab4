"""Prepares requests for the gateway's upstreams: path, query and signed identity. Headers are in gateway_headers."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote

from msgspec import Struct

from chalicelib.errors import InvalidInput
from chalicelib.patterns import pattern

Headers = tuple[tuple[str, str], ...]
IDENTITY_HEADER = "X-Collections-Identity"
IDENTITY_TTL_S = 60
MAX_TARGET_CHARS = 8192
_ESCAPE = pattern(r"%(?![0-9A-Fa-f]{2})")
_SEGMENTS_END = pattern(r"[;?#\x00]")
# RFC 3986: the characters allowed in a path and in a query besides letters, digits, - . _ ~ and escapes.
_PATH_SAFE, _QUERY_SAFE = "/%!$&'()*+,;=:@", "/?%!$&'()*+,;=:@"


class Client(Struct, frozen=True, kw_only=True):
    """The origin of a request, as API Gateway saw it. `address` may be ""; `host` is the host that was asked."""

    address: str
    host: str
    scheme: str


class Inbound(Struct, frozen=True, kw_only=True):
    """A request to be forwarded. `path` and `query` are encoded as on the wire; headers are in order, with repeats."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes
    client: Client
    request_id: str


class Outbound(Struct, frozen=True, kw_only=True):
    """A request as it is sent. `target` begins with one slash. The connection adds Host and Content-Length."""

    method: str
    target: str
    headers: Headers
    body: bytes


class UpstreamAnswer(Struct, frozen=True, kw_only=True):
    status: int
    headers: Headers
    body: bytes


class Identity(Struct, frozen=True, kw_only=True):
    """The user that a request is made for. `user_id` is "" for an anonymous request to a public route."""

    user_id: str
    roles: tuple[str, ...] = ()


def encode_path(path: str) -> str:
    """Return the path encoded for the wire: escapes stay as they are, other characters that need it are escaped.

    Some AWS services, such as HTTP APIs, hand the path over decoded. Raise InvalidInput for a path without a leading
    slash or with . or .. in it: an upstream could take it for another path.
    """
    encoded = quote(_ESCAPE.sub("%25", path), safe=_PATH_SAFE)
    if not path.startswith("/") or {".", ".."} & set(seen_segments(encoded)):
        raise InvalidInput("The path must begin with a slash and have no . or .. in it.", code="invalid_path")
    return encoded


def seen_segments(path: str) -> list[str]:
    """Return a path's segments as some servers see them: decoded twice, and cut off before ;parameters or NUL."""
    seen = unquote(unquote(path)).replace("\\", "/").split("/")
    return [_SEGMENTS_END.split(segment)[0] for segment in seen]


def encode_query(raw: str) -> str:
    """Return a query string as it was sent, with the characters escaped that could end the request line."""
    return quote(_ESCAPE.sub("%25", raw), safe=_QUERY_SAFE)


def encode_parameters(parameters: Mapping[str, Sequence[str]]) -> str:
    """Return the query string of decoded parameters. Names and the values of a name keep their order."""
    return "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}"
        for name, values in parameters.items()
        for value in values
    )


def target_of(base_path: str, prefix: str, inbound: Inbound) -> str:
    """Return the request target: the upstream's base path, the caller's path without `prefix`, and the query.

    Raise InvalidInput for a path that begins with two slashes, or a target longer than MAX_TARGET_CHARS.
    """
    path = base_path.rstrip("/") + (inbound.path[len(prefix) :] or "/")
    target = f"{path}?{inbound.query}" if inbound.query else path
    # Some servers read //name as a host.
    if path.startswith("//") or len(target) > MAX_TARGET_CHARS:
        raise InvalidInput(
            "The path must not begin with two slashes. "
            f"With its query it must have at most {MAX_TARGET_CHARS} characters.",
            code="invalid_path",
        )
    return target


def identity_key(secret: str, upstream: str) -> bytes:
    """Return the HMAC key that an upstream verifies identities with.

    Each upstream has its own key, so that one upstream cannot sign an identity for another.
    """
    return hmac.digest(secret.encode(), f"collections gateway identity 1 {upstream}".encode(), "sha256")


def sign_identity(
    identity: Identity, *, key: bytes, upstream: str, method: str, path: str, request_id: str, now_s: float
) -> str:
    """Return the identity header: v1,<claims>,<HMAC-SHA256 of the text before the last comma>.

    Claims and HMAC are base64url. `path` is the path that the upstream is asked for.
    """
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
