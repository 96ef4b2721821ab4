"""The identity that an upstream gets, and headers that it never gets."""

import base64
import time

import pytest

from tests.support.gateway_table import ask_upstream, header
from tests.support.upstreams import RawUpstream, key_of, verified


def test_the_caller_is_told_in_a_signed_header(there: RawUpstream) -> None:
    ask_upstream(there, "POST", "/users/a%2Fb", query={"q": ["1"]}, body=b"x")
    claims = verified(
        header(there, "X-Collections-Identity") or "",
        key_of("user"),
        audience="user",
        method="POST",
        path="/users/a%2Fb",
    )
    assert (claims["sub"], claims["roles"], claims["jti"]) == ("alice", ["user"], "aws-request-id")
    assert time.time() < claims["exp"] <= time.time() + 60
    ask_upstream(there, "GET", "/admin/x", user="admin")
    claims = verified(
        header(there, "X-Collections-Identity") or "",
        key_of("admin"),
        audience="admin",
        method="GET",
        path="/base/x",
    )
    assert (claims["sub"], claims["roles"]) == ("admin", ["user", "admin"])


def test_an_identity_is_for_one_upstream_and_for_this_request_only(there: RawUpstream) -> None:
    ask_upstream(there, "GET", "/users/a")
    given = header(there, "X-Collections-Identity") or ""
    good = {"audience": "user", "method": "GET", "path": "/users/a"}
    assert verified(given, key_of("user"), **good)
    for wrong in ({"path": "/users/b"}, {"method": "DELETE"}, {"audience": "admin"}):
        with pytest.raises(AssertionError, match="another request's"):
            verified(given, key_of("user"), **good | wrong)
    with pytest.raises(AssertionError, match="signature"):
        verified(given, key_of("admin"), **good)
    version, claims, signature = given.split(",")
    other = base64.urlsafe_b64encode(
        base64.urlsafe_b64decode(claims + "==").replace(b"alice", b"admin")
    ).decode()
    for forged in (f"{version},{other.rstrip('=')},{signature}", f"v2,{claims},{signature}"):
        with pytest.raises(AssertionError, match="signature"):
            verified(forged, key_of("user"), **good)


def test_nobody_is_nobody(there: RawUpstream) -> None:
    ask_upstream(there, "GET", "/open", user="alice", headers=[("X-Collections-Identity", "v1,forged,x")])
    assert header(there, "X-Collections-Identity") is None


@pytest.mark.parametrize(
    ("path", "passed"), [("/users", None), ("/open", None), ("/own-login", "Bearer alice")]
)
def test_credentials_stay_here_unless_the_route_says_so(
    there: RawUpstream, path: str, passed: str | None
) -> None:
    ask_upstream(there, "GET", path, headers=[("X-Api-Key", "k-1")])
    assert header(there, "Authorization") == passed
    assert header(there, "X-Api-Key") == ("k-1" if passed else None)
