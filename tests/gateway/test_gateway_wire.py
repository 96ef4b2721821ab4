"""Requests and responses of the gateway, byte by byte, and those that are refused."""

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.model.gateway.gateway_routes import GatewayRoute
from tests.support.upstreams import RawUpstream, ask, body_of, problem_of, raw_upstream, rest_event, v2_event

FORWARDED = [
    'Forwarded: for=192.0.2.7;host="api.example.com";proto=https',
    "X-Forwarded-For: 192.0.2.7",
    "X-Forwarded-Host: api.example.com",
    "X-Forwarded-Port: 443",
    "X-Forwarded-Proto: https",
    "X-Request-Id: aws-request-id",
]


@pytest.fixture
def echo() -> Iterator[RawUpstream]:
    with raw_upstream() as found:
        yield found


def arrived(found: RawUpstream) -> tuple[str, list[str], bytes]:
    """Return the one request's first line, its headers in order, its body."""
    [request] = found.requests
    head, _, body = request.partition(b"\r\n\r\n")
    line, *headers = head.decode("latin-1").split("\r\n")
    return line, headers, body


# Requests


def test_a_request_arrives_like_this_and_not_otherwise(echo: RawUpstream) -> None:
    body = bytes(range(256)) * 3
    sent = [("Accept", "text/html"), ("X-Tag", "a"), ("X-Tag", "b"), ("Content-Type", "application/x-thing")]
    answer = ask(echo, rest_event("POST", "/users/a%2Fb", query={"q": ["a b", "c"]}, headers=sent, body=body))
    assert (answer["statusCode"], body_of(answer)) == (200, b"ok")
    line, headers, got = arrived(echo)
    assert line == "POST /users/a%2Fb?q=a%20b&q=c HTTP/1.1"
    assert headers == [
        f"Host: 127.0.0.1:{echo.port}",
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
def test_a_path_arrives_unchanged(echo: RawUpstream, path: str, target: str, make: Any) -> None:
    assert ask(echo, make("GET", path))["statusCode"] == 200
    line, headers, _ = arrived(echo)
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
def test_the_query_of_an_http_api_arrives_as_it_was_sent(echo: RawUpstream, query: str, arrives: str) -> None:
    ask(echo, v2_event("GET", "/users", query=query))
    assert arrived(echo)[0] == f"GET /users?{arrives} HTTP/1.1"


def test_the_query_of_a_rest_api_arrives_with_its_values_in_order(echo: RawUpstream) -> None:
    values = {"a": ["1", "", "2"], "b c": ["&=+ /%é;"]}
    ask(echo, rest_event("GET", "/users", query=values))
    assert arrived(echo)[0] == "GET /users?a=1&a=&a=2&b%20c=%26%3D%2B%20%2F%25%C3%A9%3B HTTP/1.1"


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
    echo: RawUpstream, path: str, base: str, strip: bool, target: str
) -> None:
    route = GatewayRoute(upstream="user", prefix="/users", public=True, strip=strip)
    ask(echo, rest_event("GET", path), route, base)
    assert arrived(echo)[0] == f"GET {target} HTTP/1.1"


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
def test_a_path_that_could_lead_elsewhere_is_refused(echo: RawUpstream, path: str) -> None:
    route = GatewayRoute(upstream="user", prefix="/users", public=True, strip=True)
    answer = ask(echo, rest_event("GET", path), route)
    assert problem_of(answer) == (400, "invalid_path")
    assert echo.connections == 0


@pytest.mark.parametrize(
    "path", ["//evil.example/users", "/%75sers", "/Users", "/usersx", "/users.json", "/users;a=1", "/\\users"]
)
def test_what_is_not_below_a_prefix_is_nowhere(echo: RawUpstream, path: str) -> None:
    assert problem_of(ask(echo, rest_event("GET", path))) == (404, "not_found")
    assert echo.connections == 0


def test_hop_by_hop_and_connections_own_headers_stay_here(echo: RawUpstream) -> None:
    hop_by_hop = {
        "Connection": "close, X-Secret ,te",
        "X-Secret": "1",
        "Keep-Alive": "timeout=5",
        "Proxy-Authenticate": "Basic",
        "Proxy-Authorization": "Basic eA==",
        "Proxy-Connection": "keep-alive",
        "TE": "trailers",
        "Trailer": "X-Sum",
        "Transfer-Encoding": "chunked",
        "Upgrade": "websocket",
        "Expect": "100-continue",
        "Transfer_Encoding": "chunked",
        "X_secret": "1",
    }
    ask(echo, rest_event("GET", "/users", headers=[*hop_by_hop.items(), ("X-Kept", "1")]))
    assert arrived(echo)[1] == [
        f"Host: 127.0.0.1:{echo.port}",
        "Connection: close",
        "X-Kept: 1",
        *FORWARDED,
    ]


SPOOFED = [
    # where a request comes from
    *(
        "Forwarded",
        "Forwarded-For",
        "X-Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
    ),
    *("X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-User", "X-Original-Forwarded-For", "X-Real-IP"),
    *("Client-IP", "X-Client-IP", "X-ClientIP", "True-Client-IP", "X-Cluster-Client-IP", "X-ProxyUser-Ip"),
    *("Proxy", "Proxy-Client-IP", "WL-Proxy-Client-IP", "X-Originating-IP", "X-Remote-Addr", "Remote-Addr"),
    *("X-Host", "X-Original-Host", "X-HTTP-Host-Override", "Front-End-Https", "X-Scheme"),
    # as CDNs and clouds tell it
    *("CF-Connecting-IP", "CF-Connecting-IPv6", "CF-IPCountry", "Fastly-Client-IP", "Fly-Client-IP"),
    *("Fly-Forwarded-Proto", "X-Azure-ClientIP", "X-Azure-SocketIP", "X-Azure-FDID", "X-Envoy-Internal"),
    *(
        "X-Envoy-External-Address",
        "X-Envoy-Original-Path",
        "CloudFront-Viewer-Address",
        "X-Appengine-User-IP",
    ),
    *(
        "X-Nf-Client-Connection-Ip",
        "X-Vercel-Proxied-For",
        "Akamai-Origin-Hop",
        "Ali-CDN-Real-IP",
        "Incap-Client-IP",
    ),
    *(
        "CDN-Src-IP",
        "X-Sucuri-ClientIP",
        "X-ARR-ClientCert",
        "X-New-Vendor-Client-Ip",
        "New-Vendor-Forwarded-For",
    ),
    # who asks
    *("Remote-User", "Remote-Groups", "X-Remote-User", "X-Remote-Extra-Scopes", "X-Auth-Request-Email"),
    *("X-Authenticated-Userid", "X-Authentik-Username", "X-WEBAUTH-USER", "X-Consumer-Username", "X-User"),
    *("X-User-Id", "X-User-Roles", "X-Username", "X-Userinfo", "X-Goog-Authenticated-User-Email"),
    *(
        "X-Goog-IAP-JWT-Assertion",
        "X-Amzn-Oidc-Identity",
        "X-MS-CLIENT-PRINCIPAL-NAME",
        "Tailscale-User-Login",
    ),
    *("Cf-Access-Authenticated-User-Email", "X-Pomerium-Claim-Email", "Client-Cert", "SSL-Client-Verify"),
    *(
        "X-SSL-Client-S-DN",
        "X-Client-Cert",
        "X-Client-DN",
        "X-Forwarded-Client-Cert",
        "X-Amzn-Mtls-Clientcert",
    ),
    *("X-Apigateway-Api-Userinfo", "X-JWT-Assertion", "SM_USER", "iv-groups", "OIDC_CLAIM_sub", "X-SSO-User"),
    *("Impersonate-User", "X-Auth-Username", "X-Auth-Email", "X-Hasura-Role", "X-Roles", "X-User-Mail"),
    # and as whoever invents another name does
    *("X-Forward-For", "Forwarder-For", "X-IP-Address", "Client-Ip-Address", "X-Custom-IP-Authorization"),
    *("X-New-Vendor-User", "New-Vendor-UserId", "X-New-Vendor-Roles", "X-Client-Port"),
    # which request it is, and what only a connection says
    *("X-Request-Id", "X-Collections-Identity", "x-collections-identity", "Host", "Content-Length", "Expect"),
    *("X-Original-URL", "X-Original-URI", "X-Rewrite-URL", "X-HTTP-Method", "X-HTTP-Method-Override"),
    *("X-Method-Override",),
    # in other spellings
    *("X_Forwarded_For", "X.Forwarded.For", "x.forwarded_for", "X~Forwarded~For", "CLIENT_IP", "Remote.User"),
    *("X_Collections_Identity", "X.Collections.Identity", "X.HTTP.Method.Override", "X.Api.Key"),
]
PASSED = [
    *(
        "User-Agent",
        "X-User-Agent",
        "X-Zip",
        "X-Membership",
        "X-Client-Version",
        "X-Client-Id",
        "X-Ship",
        "From",
    ),
    *(
        "X-Auth-Token",
        "X-Skip",
        "X-Tenant-Id",
        "X-Log-Group",
        "Smart",
        "X-Ip-Policy",
        "Ivory",
        "Flyer",
        "X-Amzn-Trace-Id",
        "Cookie",
        "Origin",
        "Referer",
        "Accept-Language",
    ),
]


@pytest.mark.parametrize("name", SPOOFED)
def test_what_only_the_gateway_may_say_is_not_taken_from_a_caller(echo: RawUpstream, name: str) -> None:
    ask(echo, rest_event("GET", "/users", headers=[(name, "spoofed-1")]))
    headers = arrived(echo)[1]
    assert "spoofed-1" not in " ".join(headers)
    assert headers == [f"Host: 127.0.0.1:{echo.port}", "Connection: close", *FORWARDED]


@pytest.mark.parametrize("name", PASSED)
def test_a_callers_other_headers_arrive(echo: RawUpstream, name: str) -> None:
    ask(echo, rest_event("GET", "/users", headers=[(name, "theirs-1")]))
    assert f"{name}: theirs-1" in arrived(echo)[1]


def test_connection_cannot_take_the_gateways_own_headers_away(echo: RawUpstream) -> None:
    ask(echo, rest_event("GET", "/users", headers=[("Connection", "X-Forwarded-For, X-Request-Id, Host")]))
    assert arrived(echo)[1] == [f"Host: 127.0.0.1:{echo.port}", "Connection: close", *FORWARDED]


def test_over_an_http_api(echo: RawUpstream) -> None:
    event = v2_event("POST", "/users", body="aé", cookies=["a=1", "b=2"], headers={"x-tag": "a,b"})
    ask(echo, event)
    _, headers, body = arrived(echo)
    assert {"x-tag: a,b", "cookie: a=1; b=2", "Content-Length: 3"} <= set(headers)
    assert 'Forwarded: for="[2001:db8::7]";host="api.example.com";proto=https' in headers
    assert body == "aé".encode()


def test_headers_beyond_ascii(echo: RawUpstream) -> None:
    ask(echo, rest_event("GET", "/users", headers=[("X-Latin", "é"), ("X-More", "🍅")]))
    headers = arrived(echo)[1]
    assert {"X-Latin: é", "X-More: " + "🍅".encode().decode("latin-1")} <= set(headers)


@pytest.mark.parametrize(
    "header",
    [("X-A", "1\r\nX-Evil: 1"), ("X A", "1"), ("X-A\r\nX-Evil", "1"), ("X-A", "\0"), ("X-A", "\ud800")],
)
def test_a_header_that_is_none_is_refused(echo: RawUpstream, header: tuple[str, str]) -> None:
    assert problem_of(ask(echo, rest_event("GET", "/users", headers=[header]))) == (400, "invalid_header")
    assert echo.connections == 0


def test_a_body_that_is_none_is_refused(echo: RawUpstream) -> None:
    for body in ("not base64!", "\ud800"):
        for is_base64 in (True, False):
            event = rest_event("POST", "/users") | {"body": body, "isBase64Encoded": is_base64}
            status = ask(echo, event)["statusCode"]
            assert status == (200 if body.isascii() and not is_base64 else 400)
    assert echo.connections == 1
