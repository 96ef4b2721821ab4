"""RS256 for PyJWT without the package cryptography, which is too heavy for Lambda: it only verifies."""

import hashlib
import hmac
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from functools import cache
from typing import Any, NoReturn

from jwt import PyJWS
from jwt.algorithms import Algorithm

# RFC 8017 9.2, note 1: the DER of a DigestInfo for SHA-256, up to the digest.
_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
_BITS = range(2048, 8192 + 1)  # RFC 7518 3.3, and a bound on the work
_EXPONENTS = range(65537, 2**32)
PublicKey = tuple[int, int]  # n, e


class Rs256(Algorithm):
    """RSASSA-PKCS1-v1_5 with SHA-256."""

    def prepare_key(self, key: Any) -> Any:
        return key

    def sign(self, msg: bytes, key: Any) -> NoReturn:
        raise NotImplementedError

    def verify(self, msg: bytes, key: PublicKey, sig: bytes) -> bool:
        """Return True if the signature is right. RFC 8017 8.2.2: compare the whole expected encoding, parse nothing."""
        n, e = key
        size_bytes = (n.bit_length() + 7) // 8
        number = int.from_bytes(sig, "big")
        if len(sig) != size_bytes or number >= n:
            return False
        digest = _DIGEST_INFO + hashlib.sha256(msg).digest()
        padding = b"\xff" * (size_bytes - len(digest) - 3)
        expected = b"\x00\x01" + padding + b"\x00" + digest
        return hmac.compare_digest(pow(number, e, n).to_bytes(size_bytes, "big"), expected)

    @staticmethod
    def to_jwk(key_obj: Any, as_dict: bool = False) -> NoReturn:
        raise NotImplementedError

    @staticmethod
    def from_jwk(jwk: Any) -> NoReturn:
        raise NotImplementedError


def public_keys(jwks: Any) -> dict[str, PublicKey]:
    """Return the RS256 keys of a JWK set (RFC 7517) by kid. Raise ValueError when it is not a set."""
    if not isinstance(jwks, Mapping) or not isinstance(jwks.get("keys"), list):
        raise ValueError("not a JWK set")
    found = {}
    for jwk in jwks["keys"]:
        if not isinstance(jwk, Mapping) or jwk.get("kty") != "RSA" or not isinstance(jwk.get("kid"), str):
            continue
        if jwk.get("use", "sig") == "sig" and jwk.get("alg", "RS256") == "RS256":
            found[jwk["kid"]] = (_number(jwk.get("n")), _number(jwk.get("e")))
    return {kid: (n, e) for kid, (n, e) in found.items() if n.bit_length() in _BITS and e in _EXPONENTS}


def _number(text: Any) -> int:
    """Decode a Base64urlUInt (RFC 7518 2). Raise ValueError for anything but text."""
    if not isinstance(text, str):
        raise ValueError("not a number")
    return int.from_bytes(urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


@cache
def rs256() -> PyJWS:
    jws = PyJWS(algorithms=[])
    jws.register_algorithm("RS256", Rs256())
    return jws
