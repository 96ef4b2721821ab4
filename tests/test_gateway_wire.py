"""What goes over the wire, to the byte: requests as they arrive, answers as they come back, and those that are none."""

import itertools
import json
import ssl
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chalicelib.model.gateway_routes import GatewayRoute
from chalicelib.providers import upstream
from tests.upstreams import (
    OK,
    ORIGIN,
    RESET,
    RawUpstream,
    answering,
    body_of,
    gateway_app,
    problem_of,
    raw_upstream,
    rest_event,
    service,
    v2_event,
)

PLAIN = GatewayRoute(
    upstream="user", prefix="/users", public=True, methods=frozenset({"GET", "POST", "HEAD"})
)
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


def ask(
    found: RawUpstream, event: dict[str, Any], route: GatewayRoute = PLAIN, path: str = ""
) -> dict[str, Any]:
    answer: dict[str, Any] = gateway_app(service("user", found.url + path), routes=[route])(event, None)
    return answer


def arrived(found: RawUpstream) -> tuple[str, list[str], bytes]:
    """The one request's first line, its headers in order, its body."""
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
    }
    ask(echo, rest_event("GET", "/users", headers=[*hop_by_hop.items(), ("X-Kept", "1")]))
    assert arrived(echo)[1] == [
        f"Host: 127.0.0.1:{echo.port}",
        "Connection: close",
        "X-Kept: 1",
        *FORWARDED,
    ]


SPOOFED = [
    *("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port"),
    *(
        "X-Forwarded-Prefix",
        "X-Forwarded-User",
        "X-Real-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "X-Client-IP",
    ),
    *("X-Request-Id", "X-Collections-Identity", "x-collections-identity", "X_Collections_Identity"),
    *(
        "X_Forwarded_For",
        "Host",
        "Content-Length",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
    ),
]


@pytest.mark.parametrize("name", SPOOFED)
def test_what_only_the_gateway_may_say_is_not_taken_from_a_caller(echo: RawUpstream, name: str) -> None:
    ask(echo, rest_event("GET", "/users", headers=[(name, "spoofed-1")]))
    headers = arrived(echo)[1]
    assert "spoofed-1" not in " ".join(headers)
    assert headers == [f"Host: 127.0.0.1:{echo.port}", "Connection: close", *FORWARDED]


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


# Answers


def test_an_answer_comes_back_unchanged() -> None:
    body = bytes(range(256))
    headers = [
        "Content-Type: image/png",
        "Set-Cookie: a=1; Path=/",
        "set-cookie: b=2",
        "Link: <a>",
        "Link: <b>",
    ]
    with raw_upstream(answering("299 Fine", body, *headers, "X-Request-Id: theirs")) as found:
        answer = ask(found, rest_event("GET", "/users"))
        over_v2 = ask(found, v2_event("GET", "/users"))
    assert (answer["statusCode"], body_of(answer)) == (299, body)
    assert answer["headers"]["Content-Type"] == "image/png"
    assert answer["headers"]["X-Request-Id"] == "aws-request-id"
    assert "Content-Length" not in answer["headers"]
    assert answer["multiValueHeaders"] == {"Set-Cookie": ["a=1; Path=/", "b=2"], "Link": ["<a>", "<b>"]}
    assert (over_v2["cookies"], over_v2["headers"]["Link"]) == (["a=1; Path=/", "b=2"], "<a>, <b>")
    assert body_of(over_v2) == body


def test_hop_by_hop_headers_of_an_answer_stay_here() -> None:
    named = [
        "Connection: close, X-Secret",
        "X-Secret: 1",
        "Keep-Alive: 5",
        "Upgrade: h2c",
        "Proxy-Authenticate: x",
    ]
    with raw_upstream(answering("200 OK", b"", *named, "X-Kept: 1")) as found:
        answer = ask(found, rest_event("GET", "/users"))
    theirs = set(answer["headers"]) - set(ask_nothing()["headers"])
    assert theirs == {"X-Kept"}


def ask_nothing() -> dict[str, Any]:
    with raw_upstream() as found:
        return ask(found, rest_event("GET", "/users"))


def test_an_upstreams_security_headers_go_before_ours_and_its_cors_does_not() -> None:
    given = ["Content-Security-Policy: default-src 'self'", "Cache-Control: max-age=5", "Vary: Accept"]
    cors = ["Access-Control-Allow-Origin: *", "Access-Control-Allow-Credentials: true"]
    twice = ["X-Content-Type-Options: nosniff", "X-Content-Type-Options: nosniff"]
    with raw_upstream(answering("200 OK", b"", *given, *cors, *twice)) as found:
        answer = ask(found, rest_event("GET", "/users", headers=[("Origin", ORIGIN)]))
    headers = answer["headers"]
    assert headers["Content-Security-Policy"] == "default-src 'self'"
    assert headers["Cache-Control"] == "max-age=5"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Access-Control-Allow-Credentials" not in headers
    assert answer["multiValueHeaders"]["Vary"] == ["Accept", "Origin"]
    assert answer["multiValueHeaders"]["X-Content-Type-Options"] == ["nosniff", "nosniff"]
    assert not {"Vary", "X-Content-Type-Options"} & headers.keys()


def test_a_redirect_is_handed_back_and_not_followed() -> None:
    with raw_upstream() as elsewhere:
        location = f"Location: {elsewhere.url}/latest/meta-data"
        for status in ("301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"):
            with raw_upstream(answering(status, b"", location)) as found:
                answer = ask(found, rest_event("GET", "/users"))
            assert answer["statusCode"] == int(status[:3])
            assert answer["headers"]["Location"] == f"{elsewhere.url}/latest/meta-data"
        assert elsewhere.connections == 0


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops"])
def test_an_upstreams_own_error_is_its_answer(status: str) -> None:
    with raw_upstream(answering(status, b"<p>theirs")) as found:
        answer = ask(found, rest_event("GET", "/users"))
    assert (answer["statusCode"], body_of(answer)) == (int(status[:3]), b"<p>theirs")
    assert answer["headers"]["Content-Type"] == "application/octet-stream"


def test_head_and_answers_without_a_body() -> None:
    with raw_upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nETag: x\r\n\r\n") as found:
        head = ask(found, rest_event("HEAD", "/users"))
    assert (head["statusCode"], head["body"], head["headers"]["Etag"]) == (200, "", "x")
    for status in ("204 No Content", "304 Not Modified"):
        with raw_upstream(f"HTTP/1.1 {status}\r\nETag: x\r\n\r\n".encode()) as found:
            assert body_of(ask(found, rest_event("GET", "/users"))) == b""


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 2\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcdef",
        b"HTTP/1.0 200 OK\r\n\r\nabcde",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
    ],
)
def test_ways_to_say_the_same_body(answer: bytes) -> None:
    with raw_upstream(lambda _: (bytes([byte]) for byte in answer)) as found:
        assert body_of(ask(found, rest_event("GET", "/users"))) == b"abcde"


# What is no answer

HEAD = b"HTTP/1.1 200 OK\r\n"
BAD_ANSWERS = {
    "nothing": b"",
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
    "http2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no status": b"HTTP/1.1\r\n\r\n",
    "status 600": b"HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n",
    "status 101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
    "too few bytes": HEAD + b"Content-Length: 10\r\n\r\nabc",
    "chunks that break off": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    "chunks that are none": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
    "no last chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
    "unknown coding": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "a length that is none": HEAD + b"Content-Length: -2\r\n\r\nabc",
    "101 headers": HEAD + b"X: 1\r\n" * 101 + b"\r\n",
    "a long header": HEAD + b"X: " + b"a" * 70_000 + b"\r\n\r\n",
    "long headers": HEAD + (b"X: " + b"a" * 1_000 + b"\r\n") * 90 + b"\r\n",
    "endless continues": b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
    "a line that is no header": HEAD + b"no colon here\r\nContent-Length: 0\r\n\r\n",
    "a folded header": HEAD + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "a name with a space": HEAD + b"X : a\r\nContent-Length: 0\r\n\r\n",
    "a value with NUL": HEAD + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "reset": RESET,
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_a_bad_answer_is_a_bad_gateway(name: str) -> None:
    with raw_upstream(lambda _: [BAD_ANSWERS[name]]) as found:
        assert problem_of(ask(found, rest_event("GET", "/users"))) == (502, "upstream_bad_answer")
        assert found.connections == 1


def endless() -> Iterable[bytes]:
    yield HEAD + b"\r\n"
    for _ in itertools.repeat(None, 2000):
        yield b"a" * 65536


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: endless(),
        lambda _: [HEAD + b"Content-Length: 5000000\r\n\r\n", b"a" * 5_000_000],
        lambda _: [
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
            *[b"400000\r\n" + b"a" * 0x400000 + b"\r\n"] * 2,
        ],
    ],
)
def test_an_answer_over_what_lambda_can_hand_on_is_refused(answer: Any) -> None:
    with raw_upstream(answer) as found:
        assert problem_of(ask(found, rest_event("GET", "/users"))) == (502, "upstream_answer_too_large")


def test_the_largest_answer_fits_into_lambdas_six_megabytes() -> None:
    body = b"\xff" * upstream.MAX_BODY_BYTES
    with raw_upstream(answering("200 OK", body)) as found:
        answer = ask(found, rest_event("GET", "/users"))
    assert body_of(answer) == body
    assert len(json.dumps(answer)) < 6 * 1024 * 1024 - 64 * 1024


# Time. The bound is the issue's; what is waited for would take minutes.


def dripping(start: bytes, drip: bytes) -> Iterable[bytes]:
    yield start
    while True:
        time.sleep(0.1)
        yield drip


@pytest.mark.parametrize(
    ("start", "drip"),
    [
        (b"", b""),
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    ],
)
def test_an_upstream_that_drips_is_given_up_in_time(start: bytes, drip: bytes) -> None:
    route = GatewayRoute(upstream="user", prefix="/users", public=True, timeout_s=1.0)
    with raw_upstream(lambda _: dripping(start, drip)) as found:
        started = time.monotonic()
        answer = ask(found, rest_event("GET", "/users"), route)
    assert problem_of(answer) == (504, "upstream_timeout")
    assert time.monotonic() - started < 5


def test_an_upstream_that_does_not_read_is_given_up_in_time() -> None:
    route = GatewayRoute(upstream="user", prefix="/users", public=True, timeout_s=1.0)
    sock_full = RawUpstream()
    sock_full._serve = lambda sock: time.sleep(30)  # type: ignore[method-assign]
    try:
        answer = ask(sock_full, rest_event("POST", "/users", body=b"a" * 20_000_000), route)
    finally:
        sock_full.close()
    assert problem_of(answer) == (504, "upstream_timeout")


def test_a_handshake_that_hangs_is_given_up_in_time() -> None:
    route = GatewayRoute(upstream="user", prefix="/users", public=True, timeout_s=1.0)
    silent = RawUpstream()
    silent._serve = lambda sock: time.sleep(30)  # type: ignore[method-assign]
    try:
        there = service("user", f"https://127.0.0.1:{silent.port}")
        answer = gateway_app(there, routes=[route])(rest_event("GET", "/users"), None)
    finally:
        silent.close()
    assert problem_of(answer) == (504, "upstream_timeout")


def test_an_answer_that_comes_before_the_request_was_read_counts() -> None:
    refusal = answering("413 Content Too Large", b"too large")
    eager = RawUpstream()

    def refuse(sock: Any) -> None:
        sock.recv(1000)
        sock.sendall(refusal)
        sock.close()

    eager._serve = refuse  # type: ignore[method-assign]
    try:
        answer = ask(eager, rest_event("POST", "/users", body=b"a" * 20_000_000))
    finally:
        eager.close()
    assert answer["statusCode"] in (413, 502), "the reset may overtake what was answered"


# TLS


def certificate(name: str, folder: Path) -> Path:
    """A certificate of this name and its key in one file, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path


@pytest.mark.parametrize(("of", "status"), [("users.example", 200), ("other.example", 502), (None, 502)])
def test_tls_checks_the_name_and_not_the_address(
    of: str | None, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certificate(of or "users.example", tmp_path)
    if of:
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
    upstream._tls.cache_clear()
    asked: list[str] = []
    with raw_upstream() as found:
        found.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        found.tls.load_cert_chain(path)
        found.tls.sni_callback = lambda _sock, name, _context: asked.append(name)
        resolve = lambda *_, **__: [(2, 1, 6, "", ("127.0.0.1", found.port))]  # noqa: E731
        there = service("user", f"https://users.example:{found.port}", resolve=resolve)
        answer = gateway_app(there, routes=[PLAIN])(rest_event("GET", "/users"), None)
    upstream._tls.cache_clear()
    assert answer["statusCode"] == status
    assert asked == ["users.example"]
    assert len(found.requests) == (1 if status == 200 else 0) or found.requests == [b""]
    if status == 200:
        assert b"\r\nHost: users.example:" in found.requests[0]


def test_nobody_listens() -> None:
    with raw_upstream(OK) as found:
        pass
    assert problem_of(ask(found, rest_event("GET", "/users"))) == (502, "upstream_unreachable")
