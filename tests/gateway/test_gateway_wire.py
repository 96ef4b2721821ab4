"""Requests of the gateway, byte by byte, and those that are refused."""

from typing import Any

import pytest

from chalicelib.model.gateway.gateway_routes import GatewayRoute
from tests.gateway.arriving import FORWARDED, arrived
from tests.support.upstreams import RawUpstream, ask, body_of, problem_of, rest_event, v2_event

# Requests


def test_a_request_arrives_like_this_and_not_otherwise(there: RawUpstream) -> None:
    body = bytes(range(256)) * 3
    sent = [("Accept", "text/html"), ("X-Tag", "a"), ("X-Tag", "b"), ("Content-Type", "application/x-thing")]
    answer = ask(
        there, rest_event("POST", "/users/a%2Fb", query={"q": ["a b", "c"]}, headers=sent, body=body)
    )
    assert (answer["statusCode"], body_of(answer)) == (200, b"ok")
    line, headers, got = arrived(there)
    assert line == "POST /users/a%2Fb?q=a%20b&q=c HTTP/1.1"
    assert headers == [
        f"Host: 127.0.0.1:{there.port}",
        "Connection: close",
        "Accept: text/html",
        "X-Tag: a",
        "X-Tag: b",
        "Content-Type: application/x-thing",
        *FORWARDED,
        f"Content-Length: {len(body)}",
    ]
    assert got == body


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/users", "/users"),
        ("/users/", "/users/"),
        ("/users//a//b/", "/users//a//b/"),
        ("/users/a%2Fb%2fc", "/users/a%2Fb%2fc"),
        ("/users/a%20b;v=1,2+3", "/users/a%20b;v=1,2+3"),
        ("/users/%C3%A9%F0%9F%8D%85%ff", "/users/%C3%A9%F0%9F%8D%85%ff"),
        ("/users/!$&'()*+,;=:@-._~", "/users/!$&'()*+,;=:@-._~"),
        ("/users/...", "/users/..."),
        # What HTTP APIs have decoded on the way.
        ("/users/a b", "/users/a%20b"),
        ("/users/é🍅", "/users/%C3%A9%F0%9F%8D%85"),
        ("/users/50%", "/users/50%25"),
        ("/users/a?b#c", "/users/a%3Fb%23c"),
        ("/users/a\r\nX-Evil: 1", "/users/a%0D%0AX-Evil:%201"),
    ],
)
@pytest.mark.parametrize("make", [rest_event, v2_event])
def test_a_path_arrives_unchanged(there: RawUpstream, path: str, target: str, make: Any) -> None:
    assert ask(there, make("GET", path))["statusCode"] == 200
    line, headers, _ = arrived(there)
    assert line == f"GET {target} HTTP/1.1"
    assert not [header for header in headers if header.startswith("X-Evil")]


@pytest.mark.parametrize(
    ("query", "arrives"),
    [
        ("a=1&a=2&b=", "a=1&a=2&b="),
        ("b&a=+%2B%20&a", "b&a=+%2B%20&a"),
        ("x=%C3%A9;y=1/2?3&&", "x=%C3%A9;y=1/2?3&&"),
        ("x=a b#c\r\nX-Evil: 1", "x=a%20b%23c%0D%0AX-Evil:%201"),
    ],
)
def test_the_query_of_an_http_api_arrives_as_it_was_sent(
    there: RawUpstream, query: str, arrives: str
) -> None:
    ask(there, v2_event("GET", "/users", query=query))
    assert arrived(there)[0] == f"GET /users?{arrives} HTTP/1.1"


def test_the_query_of_a_rest_api_arrives_with_its_values_in_order(there: RawUpstream) -> None:
    values = {"a": ["1", "", "2"], "b c": ["&=+ /%é;"]}
    ask(there, rest_event("GET", "/users", query=values))
    assert arrived(there)[0] == "GET /users?a=1&a=&a=2&b%20c=%26%3D%2B%20%2F%25%C3%A9%3B HTTP/1.1"


@pytest.mark.parametrize(
    ("path", "base", "strip", "target"),
    [
        ("/users/7", "/v1", False, "/v1/users/7"),
        ("/users/7", "/v1", True, "/v1/7"),
        ("/users", "", True, "/"),
        ("/users/", "/v1/", True, "/v1/"),
        ("/users//evil.example/x", "/v1", True, "/v1//evil.example/x"),
    ],
)
def test_the_upstreams_own_path_stands_first(
    there: RawUpstream, path: str, base: str, strip: bool, target: str
) -> None:
    route = GatewayRoute(upstream="user", prefix="/users", public=True, strip=strip)
    ask(there, rest_event("GET", path), route, base)
    assert arrived(there)[0] == f"GET {target} HTTP/1.1"


@pytest.mark.parametrize(
    "path",
    [
        "/users/../admin",
        "/users/%2e%2e/admin",
        "/users/.%2E/admin",
        "/users/..%2fadmin",
        "/users/..%5cadmin",
        "/users/..\\admin",
        "/users/%252e%252e/admin",
        "/users/..;/admin",
        "/users/..;x=1/admin",
        "/users/./admin",
        "/users/..%00/admin",
        "/users/..%3Fx/admin",
        "/users/..",
        "http://evil.example/users",
        "users",
        "@evil.example/users",
        "/users//evil.example",
        "/users/" + "a" * 9000,
    ],
)
def test_a_path_that_could_lead_elsewhere_is_refused(there: RawUpstream, path: str) -> None:
    route = GatewayRoute(upstream="user", prefix="/users", public=True, strip=True)
    answer = ask(there, rest_event("GET", path), route)
    assert problem_of(answer) == (400, "invalid_path")
    assert there.connections == 0


@pytest.mark.parametrize(
    "path", ["//evil.example/users", "/%75sers", "/Users", "/usersx", "/users.json", "/users;a=1", "/\\users"]
)
def test_what_is_not_below_a_prefix_is_nowhere(there: RawUpstream, path: str) -> None:
    assert problem_of(ask(there, rest_event("GET", path))) == (404, "not_found")
    assert there.connections == 0


def test_over_an_http_api(there: RawUpstream) -> None:
    event = v2_event("POST", "/users", body="aé", cookies=["a=1", "b=2"], headers={"x-tag": "a,b"})
    ask(there, event)
    _, headers, body = arrived(there)
    assert {"x-tag: a,b", "cookie: a=1; b=2", "Content-Length: 3"} <= set(headers)
    assert 'Forwarded: for="[2001:db8::7]";host="api.example.com";proto=https' in headers
    assert body == "aé".encode()


def test_a_body_that_is_none_is_refused(there: RawUpstream) -> None:
    for body in ("not base64!", "\ud800"):
        for is_base64 in (True, False):
            event = rest_event("POST", "/users") | {"body": body, "isBase64Encoded": is_base64}
            status = ask(there, event)["statusCode"]
            assert status == (200 if body.isascii() and not is_base64 else 400)
    assert there.connections == 1
