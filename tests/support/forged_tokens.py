"""Makes access tokens by RFC 7515 in a few lines, with whatever header and claims they are given."""

import base64
import hashlib
import hmac
import json
from typing import Any

from chalicelib.model.accounts.tokens import Signing, key_id, new_session_id

NOW_S = 1_800_000_000
SECRET, OTHER = "s" * 31 + "1", "s" * 31 + "2"
SIGNING = Signing(secrets=(SECRET,), issuer="here", audience="us")
SESSION = new_session_id(NOW_S * 1000)
CLAIMS = {
    "iss": "here",
    "aud": "us",
    "sub": "ann",
    "sid": SESSION,
    "jti": "1",
    "iat": NOW_S,
    "exp": NOW_S + 900,
}
HEADER = {"alg": "HS256", "kid": key_id(SECRET), "typ": "JWT"}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forge(
    header: Any = HEADER,
    claims: Any = CLAIMS,
    *,
    secret: str | bytes = SECRET,
    algorithm: Any = hashlib.sha256,
) -> str:
    """Return a token by RFC 7515 in a few lines, with whatever it is given."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
    signed = ".".join(map(b64, parts))
    key = secret if isinstance(secret, bytes) else secret.encode()
    return f"{signed}.{b64(hmac.digest(key, signed.encode(), algorithm))}"
