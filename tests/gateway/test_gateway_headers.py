"""The headers that an upstream gets: a caller's own, and never what only the gateway may say."""

import pytest

from tests.gateway.arriving import FORWARDED, arrived
from tests.support.upstreams import RawUpstream, ask, problem_of, rest_event


def test_hop_by_hop_and_connections_own_headers_stay_here(there: RawUpstream) -> None:
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
    ask(there, rest_event("GET", "/users", headers=[*hop_by_hop.items(), ("X-Kept", "1")]))
    assert arrived(there)[1] == [
        f"Host: 127.0.0.1:{there.port}",
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
def test_what_only_the_gateway_may_say_is_not_taken_from_a_caller(there: RawUpstream, name: str) -> None:
    ask(there, rest_event("GET", "/users", headers=[(name, "spoofed-1")]))
    headers = arrived(there)[1]
    assert "spoofed-1" not in " ".join(headers)
    assert headers == [f"Host: 127.0.0.1:{there.port}", "Connection: close", *FORWARDED]


@pytest.mark.parametrize("name", PASSED)
def test_a_callers_other_headers_arrive(there: RawUpstream, name: str) -> None:
    ask(there, rest_event("GET", "/users", headers=[(name, "theirs-1")]))
    assert f"{name}: theirs-1" in arrived(there)[1]


def test_connection_cannot_take_the_gateways_own_headers_away(there: RawUpstream) -> None:
    ask(there, rest_event("GET", "/users", headers=[("Connection", "X-Forwarded-For, X-Request-Id, Host")]))
    assert arrived(there)[1] == [f"Host: 127.0.0.1:{there.port}", "Connection: close", *FORWARDED]


def test_a_callers_trace_goes_on_and_what_is_none_does_not(there: RawUpstream) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    given = [("traceparent", f"00-{trace}-00f067aa0ba902b7-01"), ("tracestate", "spoofed=1")]
    ask(there, rest_event("GET", "/users", headers=given))
    [request] = there.requests
    assert f"\r\ntraceparent: 00-{trace}-".encode() in request
    assert b"00f067aa0ba902b7" not in request and b"spoofed" not in request


def test_headers_beyond_ascii(there: RawUpstream) -> None:
    ask(there, rest_event("GET", "/users", headers=[("X-Latin", "é"), ("X-More", "🍅")]))
    headers = arrived(there)[1]
    assert {"X-Latin: é", "X-More: " + "🍅".encode().decode("latin-1")} <= set(headers)


@pytest.mark.parametrize(
    "header",
    [("X-A", "1\r\nX-Evil: 1"), ("X A", "1"), ("X-A\r\nX-Evil", "1"), ("X-A", "\0"), ("X-A", "\ud800")],
)
def test_a_header_that_is_none_is_refused(there: RawUpstream, header: tuple[str, str]) -> None:
    assert problem_of(ask(there, rest_event("GET", "/users", headers=[header]))) == (400, "invalid_header")
    assert there.connections == 0
