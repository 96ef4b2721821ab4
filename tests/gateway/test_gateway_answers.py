"""Upstreams' responses, byte by byte: those that are passed on unchanged, and those that are refused."""

import itertools
import json
from collections.abc import Iterable
from typing import Any

import pytest

from chalicelib.api.gateway import SANDBOX
from chalicelib.providers.gateway import upstream
from tests.support.upstreams import (
    ORIGIN,
    RESET,
    answering,
    ask,
    body_of,
    problem_of,
    raw_upstream,
    rest_event,
    v2_event,
)

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
    assert answer["headers"]["Content-Security-Policy"].startswith("default-src 'none'")


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
    policies = answer["multiValueHeaders"]["Content-Security-Policy"]
    assert policies == ["default-src 'self'", SANDBOX] and "allow-same-origin" not in SANDBOX
    assert headers["Cache-Control"] == "max-age=5"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Access-Control-Allow-Credentials" not in headers
    assert answer["multiValueHeaders"]["Vary"] == ["Accept", "Origin"]
    assert answer["multiValueHeaders"]["X-Content-Type-Options"] == ["nosniff", "nosniff"]
    assert not {"Vary", "X-Content-Type-Options"} & headers.keys()


SPEAKING_FOR_THE_ORIGIN = [
    *("Strict-Transport-Security", "Clear-Site-Data", "Public-Key-Pins", "Expect-CT", "Alt-Svc", "NEL"),
    *("Report-To", "Origin-Agent-Cluster", "Service-Worker-Allowed", "Accept-CH", "Use-As-Dictionary"),
    *(
        "Set-Login",
        "Sec-Session-Registration",
        "clear-site-data",
        "Clear_Site_Data",
        "Service.Worker.Allowed",
    ),
]


@pytest.mark.parametrize("make", [rest_event, v2_event])
def test_an_upstream_does_not_speak_for_the_whole_origin(make: Any) -> None:
    given = [f"{name}: theirs-1" for name in SPEAKING_FOR_THE_ORIGIN]
    with raw_upstream(answering("200 OK", b"", *given, *given, "Reporting-Endpoints: a=b")) as found:
        answer = ask(found, make("GET", "/users"))
    assert "theirs-1" not in json.dumps(answer)
    assert answer["headers"]["Strict-Transport-Security"] == "max-age=31536000"
    assert answer["headers"]["Reporting-Endpoints"] == "a=b"


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
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcdef",
        b"HTTP/1.0 200 OK\r\n\r\nabcde",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
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
    "a length in other digits": HEAD + b"Content-Length: \xb2\r\n\r\nab",
    "a negative chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-2\r\nab\r\n0\r\n\r\n",
    "101 headers": HEAD + b"X: 1\r\n" * 101 + b"\r\n",
    "a long header": HEAD + b"X: " + b"a" * 70_000 + b"\r\n\r\n",
    "long headers": HEAD + (b"X: " + b"a" * 1_000 + b"\r\n") * 90 + b"\r\n",
    "endless continues": b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000 + HEAD + b"\r\n",
    "a line that is no header": HEAD + b"no colon here\r\nContent-Length: 0\r\n\r\n",
    "a folded header": HEAD + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "a name with a space": HEAD + b"X : a\r\nContent-Length: 0\r\n\r\n",
    "a value with NUL": HEAD + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "a bare CR in a value": HEAD + b"X-A: b\rSet-Cookie: evil=1\r\nContent-Length: 0\r\n\r\n",
    "a bare CR at a value's end": HEAD + b"X-A: b\r\r\nContent-Length: 0\r\n\r\n",
    "a bare CR in the reason": b"HTTP/1.1 200 OK\rSet-Cookie: evil=1\r\nContent-Length: 0\r\n\r\n",
    "a bare CR in a provisional answer": b"HTTP/1.1 103 Hints\r\nX: a\rb: c\r\n\r\n" + HEAD + b"\r\n",
    "a bare LF": HEAD + b"X-A: b\nSet-Cookie: evil=1\r\nContent-Length: 0\r\n\r\n",
    "a folded provisional header": b"HTTP/1.1 103 Hints\r\nX: a\r\n b\r\n\r\n" + HEAD + b"\r\n",
    "a value with a control character": HEAD + b"X: a\x01b\r\nContent-Length: 0\r\n\r\n",
    "chunked and a length": HEAD
    + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    "a length and chunked": HEAD
    + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    "a chunk size with 0x": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
    "a chunk size with _": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1_0\r\nabcdefghijklmnop\r\n0\r\n\r\n",
    "a chunk size with +": HEAD + b"Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
    "a chunk that is longer than it says": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
    "another version": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nab",
    "nothing but hints": b"HTTP/1.1 103 Early Hints\r\n\r\n",
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
        lambda _: [HEAD + b"Content-Length: 5000000\r\n\r\n"],
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
