"""Tokens of an outside issuer: RS256 by the issuer's keys, checked against signatures of a real library."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import time
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from chalicelib.errors import Unauthenticated, Unavailable
from chalicelib.model.rs256 import Rs256, public_keys
from chalicelib.providers.oidc import OidcIssuer, fetch_json
from tests.people import People, people

__all__ = ["people"]
NOW_S = 1_800_000_000


@cache
def private_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwk(name: str, bits: int = 2048, **more: Any) -> dict[str, Any]:
    n = private_key(name, bits).public_key().public_numbers().n
    return {
        "kty": "RSA",
        "kid": name,
        "n": b64(n.to_bytes(bits // 8, "big")),
        "e": "AQAB",
        "use": "sig",
    } | more


def sign(name: str, claims: Any, *, bits: int = 2048, **header: Any) -> str:
    given = {"alg": "RS256", "kid": name} | header
    signed = f"{b64(json.dumps(given).encode())}.{b64(json.dumps(claims).encode())}"
    signature = private_key(name, bits).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{b64(signature)}"


@dataclass
class Issuer:
    """An issuer over HTTP, that answers what a test wants and counts how often its keys are asked for."""

    url: str
    documents: dict[str, Any] = field(default_factory=dict)
    asked: int = 0

    def serve(self, *keys: dict[str, Any], **more: Any) -> None:
        discovery = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"} | more
        self.documents = {"/.well-known/openid-configuration": discovery, "/keys": {"keys": list(keys)}}

    def claims(self, **more: Any) -> dict[str, Any]:
        now_s = int(time())
        return {"iss": self.url, "aud": "us", "sub": "google|1", "iat": now_s, "exp": now_s + 600} | more


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked += self.path == "/keys"
            document = found.documents.get(self.path)
            if isinstance(document, str):
                self.send_response(302)
                self.send_header("Location", document)
                self.end_headers()
                return
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(200 if document is not None else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Issuer(f"http://127.0.0.1:{server.server_port}")
    found.serve(jwk("k1"))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def trusting(people: People, issuer: Issuer) -> People:
    people.set(ENVIRONMENT="local", OIDC_ISSUER=issuer.url, OIDC_AUDIENCE="us")
    return people


def test_a_real_librarys_signatures_and_no_others() -> None:
    for bits in (2048, 3072):
        key = private_key("k1", bits)
        numbers = (key.public_key().public_numbers().n, 65537)
        for message in (b"", b"x", b"x" * 10_000):
            signature = key.sign(message, padding.PKCS1v15(), hashes.SHA256())
            assert Rs256().verify(message, numbers, signature)
            assert not Rs256().verify(message + b"x", numbers, signature)
            for wrong in (
                signature[:-1],
                b"\x00" + signature,
                signature + b"\x00",
                bytes(len(signature)),
                b"",
                key.sign(message, padding.PKCS1v15(), hashes.SHA512()),
                key.sign(message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()),
                private_key("k2", bits).sign(message, padding.PKCS1v15(), hashes.SHA256()),
                # The same number again, beyond the modulus.
                (int.from_bytes(signature, "big") + numbers[0]).to_bytes(len(signature) + 1, "big"),
            ):
                assert not Rs256().verify(message, numbers, wrong)


def test_each_bit_of_a_signature_counts() -> None:
    key = private_key("k1")
    numbers = (key.public_key().public_numbers().n, 65537)
    number = int.from_bytes(key.sign(b"m", padding.PKCS1v15(), hashes.SHA256()), "big")
    for bit in range(0, 2048, 7):
        assert not Rs256().verify(b"m", numbers, (number ^ 1 << bit).to_bytes(256, "big"))


def test_a_padding_that_only_looks_right_is_refused() -> None:
    """Bleichenbacher's forgery of 2006: the digest right, something behind it; here with the private key's help."""
    key = private_key("k1")
    public, d = key.public_key().public_numbers(), key.private_numbers().d
    digest = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(b"m").digest()
    whole = b"\x00\x01" + b"\xff" * (256 - len(digest) - 3) + b"\x00" + digest
    forged = [
        b"\x00\x01" + b"\xff" * 8 + b"\x00" + digest + b"\x00" * (256 - len(digest) - 11),
        b"\x00\x02" + whole[2:],
        b"\x00\x01" + b"\xfe" + whole[3:],
        whole[: 256 - len(digest)] + digest.replace(b"\x05\x00\x04", b"\x05\x01\x04"),
    ]
    for encoded, good in [(whole, True), *((each, False) for each in forged)]:
        assert len(encoded) == 256
        signature = pow(int.from_bytes(encoded, "big"), d, public.n).to_bytes(256, "big")
        assert Rs256().verify(b"m", (public.n, public.e), signature) is good


def test_which_keys_of_a_set_are_taken() -> None:
    keys = [
        jwk("good"),
        jwk("no use", use=None) | {"alg": "RS256"},
        jwk("for encryption", use="enc"),
        jwk("other algorithm", alg="RS512"),
        jwk("weak", 1024),
        jwk("exponent one", e="AQ"),
        {"kty": "oct", "kid": "symmetric", "k": "c2VjcmV0"},
        {"kty": "EC", "kid": "curve"},
        {name: value for name, value in jwk("good").items() if name != "kid"},
        "nothing",
    ]
    del keys[1]["use"]
    assert set(public_keys({"keys": keys})) == {"good", "no use"}
    for wrong in ([], {}, {"keys": {}}, {"keys": [jwk("k", n=1)]}, {"keys": [jwk("k", n="ä")]}):
        with pytest.raises(ValueError):  # noqa: PT011  whatever is wrong
            public_keys(wrong)


def test_its_users_get_an_account_at_first_sight(trusting: People, issuer: Issuer) -> None:
    token = sign("k1", issuer.claims(name="Ann"))
    me = trusting.me(token).body
    assert me["id"] == "oidc-" + hashlib.sha256(f"{issuer.url}|google|1".encode()).hexdigest()[:40]
    assert (me["name"], me["email"], me["role"]) == ("Ann", None, "user")
    assert trusting.me(sign("k1", issuer.claims(aud=["them", "us"]))).body["id"] == me["id"]
    assert trusting.me(sign("k1", issuer.claims(sub="google|2"))).body["id"] != me["id"]
    assert trusting.world.sql("SELECT count(*) FROM accounts") == [(2,)]
    key = trusting.key(token, "read")
    assert trusting.me(X_Api_Key=key).body["id"] == me["id"]
    trusting.world.sql("UPDATE accounts SET disabled_at = now()")
    assert trusting.me(token).code == "account_disabled"
    assert trusting.me(X_Api_Key=key).status == 401


def test_a_role_of_ours_is_what_counts(trusting: People, issuer: Issuer) -> None:
    token = sign("k1", issuer.claims(role="admin", scope="admin"))
    assert trusting("GET", "/api/v1/failures", token=token).status == 403
    trusting.world.sql("UPDATE accounts SET role = 'admin'")
    assert trusting("GET", "/api/v1/failures", token=token).status == 200


def test_cognitos_access_tokens_name_their_client(trusting: People, issuer: Issuer) -> None:
    claims = {name: value for name, value in issuer.claims().items() if name != "aud"}
    assert trusting.me(sign("k1", claims | {"client_id": "us", "token_use": "access"})).status == 200
    assert trusting.me(sign("k1", claims | {"client_id": "them", "token_use": "access"})).status == 401
    assert trusting.me(sign("k1", claims)).status == 401
    assert trusting.me(sign("k1", claims | {"aud": "them", "client_id": "us"})).status == 401


def test_ours_and_theirs_side_by_side(trusting: People, issuer: Issuer) -> None:
    ours = trusting.join("ann@example.org")["access_token"]
    assert trusting.me(ours).body["email"] == "ann@example.org"
    assert trusting.me(sign("k1", issuer.claims())).body["email"] is None


def test_a_bad_token_of_theirs_is_refused(trusting: People, issuer: Issuer) -> None:
    good = sign("k1", issuer.claims())
    head, claims, signature = good.split(".")
    now_s = int(time())
    public = private_key("k1").public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    confused = f"{b64(json.dumps({'alg': 'HS256', 'kid': 'k1', 'typ': 'JWT'}).encode())}.{claims}"
    bad = {
        "another's signature": sign("k2", issuer.claims(), kid="k1"),
        "an unknown kid": sign("k2", issuer.claims()),
        "no kid": sign("k1", issuer.claims(), kid=None),
        "another issuer": sign("k1", issuer.claims(iss="https://other.example")),
        "another audience": sign("k1", issuer.claims(aud="them")),
        "no audience": sign("k1", issuer.claims(aud=None)),
        "over": sign("k1", issuer.claims(exp=now_s)),
        "without an end": sign("k1", issuer.claims(exp=None)),
        "not yet": sign("k1", issuer.claims(nbf=now_s + 60)),
        "nobody's": sign("k1", issuer.claims(sub="")),
        "number": sign("k1", issuer.claims(sub=1)),
        "crit": sign("k1", issuer.claims(), crit=["b64"], b64=True),
        "RS512 in name": sign("k1", issuer.claims(), alg="RS512"),
        "alg none": f"{b64(json.dumps({'alg': 'none', 'kid': 'k1'}).encode())}.{claims}.",
        "the public key as a secret": f"{confused}.{b64(hmac.digest(pem, confused.encode(), 'sha256'))}",
        "claims changed": f"{head}.{b64(json.dumps(issuer.claims(sub='google|2')).encode())}.{signature}",
        "padded": f"{good}==",
        "no signature": f"{head}.{claims}.",
    }
    assert trusting.me(good).status == 200
    assert {
        name: reply.status for name, token in bad.items() if (reply := trusting.me(token)).status != 401
    } == {}
    assert trusting.world.sql("SELECT count(*) FROM accounts") == [(1,)]


def test_where_no_issuer_is_trusted_its_tokens_are_nothing(people: People, issuer: Issuer) -> None:
    assert people.me(sign("k1", issuer.claims())).status == 401
    assert issuer.asked == 0


# The keys


@dataclass
class Clock:
    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


def reads(found: OidcIssuer, token: str) -> bool:
    try:
        found.read(token, now_s=int(time()))
    except Unauthenticated:
        return False
    return True


def test_keys_are_kept_for_an_hour(issuer: Issuer) -> None:
    clock = Clock()
    found = OidcIssuer(issuer=issuer.url, audience="us", clock=clock)
    for _ in range(3):
        assert reads(found, sign("k1", issuer.claims()))
    assert issuer.asked == 1
    issuer.serve(jwk("k2"))
    clock.now_s += 3601
    assert not reads(found, sign("k1", issuer.claims())), "withdrawn"
    assert reads(found, sign("k2", issuer.claims()))


def test_an_unknown_key_is_looked_for_once_a_minute(issuer: Issuer) -> None:
    clock = Clock()
    found = OidcIssuer(issuer=issuer.url, audience="us", clock=clock)
    assert reads(found, sign("k1", issuer.claims()))
    issuer.serve(jwk("k1"), jwk("k2"))
    for _ in range(5):
        assert not reads(found, sign("k2", issuer.claims()))
    assert issuer.asked == 1
    clock.now_s += 61
    assert reads(found, sign("k2", issuer.claims()))
    for _ in range(5):
        assert not reads(found, sign("k3", issuer.claims()))
    assert issuer.asked == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"/keys": None},
        {"/keys": b"{"},
        {"/keys": []},
        {"/keys": b'{"keys": [' + b" " * 1_100_000 + b"]}"},
        {"/keys": "/elsewhere"},
        {"/.well-known/openid-configuration": None},
        {"/.well-known/openid-configuration": []},
        {"/.well-known/openid-configuration": b"[" * 100_000},
        {"/.well-known/openid-configuration": "/elsewhere"},
    ],
)
def test_without_its_keys_nobody_is_let_in(trusting: People, issuer: Issuer, wrong: dict[str, Any]) -> None:
    elsewhere = dict(issuer.documents)
    issuer.documents |= {"/elsewhere": elsewhere[next(iter(wrong))]} | wrong
    reply = trusting.me(sign("k1", issuer.claims()))
    assert (reply.status, reply.code) == (503, "oidc_unavailable")


@pytest.mark.parametrize(
    "uri", ["http://localhost:{port}/keys", "file://{file}", "ftp://h/keys", "", None, 1]
)
def test_keys_come_over_tls_or_from_the_issuer_itself(issuer: Issuer, tmp_path: Path, uri: Any) -> None:
    file = tmp_path / "keys"
    file.write_text(json.dumps(issuer.documents["/keys"]))
    if isinstance(uri, str):
        uri = uri.format(port=issuer.url.rpartition(":")[2], file=file)
    issuer.serve(jwk("k1"), jwks_uri=uri)
    found = OidcIssuer(issuer=issuer.url, audience="us")
    with pytest.raises(Unavailable):
        found.read(sign("k1", issuer.claims()), now_s=int(time()))


def test_a_document_of_another_issuer_is_not_taken(issuer: Issuer) -> None:
    issuer.serve(jwk("k1"), issuer="https://other.example")
    with pytest.raises(Unavailable):
        OidcIssuer(issuer=issuer.url, audience="us").read(sign("k1", issuer.claims()), now_s=int(time()))


def test_an_issuer_that_is_away_is_asked_again_soon_and_not_by_every_request(issuer: Issuer) -> None:
    clock, documents = Clock(), dict(issuer.documents)
    issuer.documents["/keys"] = b"{"
    found = OidcIssuer(issuer=issuer.url, audience="us", clock=clock)
    for _ in range(5):
        with pytest.raises(Unavailable):
            found.read(sign("k1", issuer.claims()), now_s=int(time()))
    assert issuer.asked == 1
    issuer.documents = documents
    clock.now_s += 6
    assert reads(found, sign("k1", issuer.claims()))


def test_a_document_is_bounded(issuer: Issuer) -> None:
    issuer.documents["/large"] = b"[" + b" " * 1_100_000 + b"]"
    with pytest.raises(Unavailable):
        fetch_json(f"{issuer.url}/large")
    issuer.documents["/less"] = b"[" + b" " * 900_000 + b"]"
    assert fetch_json(f"{issuer.url}/less") == []
