"""Upstreams that are slow, not there, or not who they say they are: given up in time, nothing left hanging."""

import ssl
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from chalicelib.model.gateway.gateway_routes import GatewayRoute
from chalicelib.providers.http import dial as http_dial
from tests.support.certificates import certificate
from tests.support.upstreams import (
    OK,
    PLAIN,
    RawUpstream,
    answering,
    ask,
    gateway_app,
    problem_of,
    raw_upstream,
    rest_event,
    service,
)

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
    assert time.monotonic() - started < 10  # it drips for ever


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


@pytest.mark.parametrize(("of", "status"), [("users.example", 200), ("other.example", 502), (None, 502)])
def test_tls_checks_the_name_and_not_the_address(
    of: str | None, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certificate(of or "users.example", tmp_path)
    if of:
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
    http_dial.tls.cache_clear()
    asked: list[str] = []
    with raw_upstream() as found:
        found.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        found.tls.load_cert_chain(path)
        found.tls.sni_callback = lambda _sock, name, _context: asked.append(name)
        resolve = lambda *_, **__: [(2, 1, 6, "", ("127.0.0.1", found.port))]  # noqa: E731
        there = service("user", f"https://users.example:{found.port}", resolve=resolve)
        answer = gateway_app(there, routes=[PLAIN])(rest_event("GET", "/users"), None)
    http_dial.tls.cache_clear()
    assert answer["statusCode"] == status
    assert asked == ["users.example"]
    assert len(found.requests) == (1 if status == 200 else 0) or found.requests == [b""]
    if status == 200:
        assert b"\r\nHost: users.example:" in found.requests[0]


def test_nobody_listens() -> None:
    with raw_upstream(OK) as found:
        pass
    assert problem_of(ask(found, rest_event("GET", "/users"))) == (502, "upstream_unreachable")
