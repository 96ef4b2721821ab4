"""An outside issuer's keys: fetched when they are needed, kept, never from elsewhere."""

import json
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time
from typing import Any

import pytest

from chalicelib.errors import Unauthenticated, Unavailable
from chalicelib.providers.accounts import oidc
from chalicelib.providers.accounts.oidc import OidcIssuer, fetch_json
from tests.support.issuer import Dripping, Issuer, jwk, sign
from tests.support.people import People

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


def test_only_a_200_is_a_document(issuer: Issuer) -> None:
    issuer.documents["/there?a=b%20c"] = []
    assert fetch_json(f"{issuer.url}/there?a=b c") == []
    with pytest.raises(Unavailable):
        fetch_json(f"{issuer.url}/nothing")  # 404, with null


@pytest.mark.parametrize(
    "url", ["http://[::1/keys", "http://127.0.0.1:99999/", "http://127.0.0.1/a b", "http:///x", ""]
)
def test_what_is_no_address_is_not_asked(url: str) -> None:
    with pytest.raises(Unavailable):
        fetch_json(url)


def test_a_document_that_drips_is_given_up_in_time(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oidc, "TIMEOUT_S", 0.5)
    issuer.documents["/slow"] = Dripping(pieces=1000, every_s=0.1)
    started = monotonic()
    with pytest.raises(Unavailable):
        fetch_json(f"{issuer.url}/slow")
    assert monotonic() - started < 10
