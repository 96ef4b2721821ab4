"""Tokens of an outside issuer: RS256 by the issuer's keys, checked against signatures of a real library."""

import hashlib
import hmac
import json
from time import time

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from chalicelib.model.accounts.rs256 import Rs256, public_keys
from tests.support.issuer import Issuer, b64, jwk, private_key, sign
from tests.support.people import People


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
        "without a word of an end": sign("k1", {k: v for k, v in issuer.claims().items() if k != "exp"}),
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


def test_the_same_number_beyond_the_modulus_is_no_signature() -> None:
    """Another spelling of the signature, where it fits into its bytes."""
    key = private_key("k1")
    n = key.public_key().public_numbers().n
    for number in range(1000):
        message = str(number).encode()
        signature = key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        again = int.from_bytes(signature, "big") + n
        if again < 2**2048:
            break
    assert Rs256().verify(message, (n, 65537), signature)
    assert not Rs256().verify(message, (n, 65537), again.to_bytes(256, "big"))
