"""Calls of an upstream over the wire, as the retry budget and the circuit breaker bound them."""

import json
import threading
from typing import Any

import pytest

from chalicelib.errors import Unavailable
from chalicelib.model.gateway.breaker import (
    COOLDOWN_S,
    MIN_FAILURES,
)
from chalicelib.model.gateway.gateway import Outbound, UpstreamAnswer
from chalicelib.model.gateway.gateway_routes import GatewayRoute
from chalicelib.providers.gateway.upstream import HttpUpstream
from chalicelib.providers.http.dial import AddressRules, origin_of
from tests.support.gateway_table import AWAY, PUBLIC, Clock, ask_app
from tests.support.upstreams import (
    OK,
    RESET,
    answering,
    gateway_app,
    problem_of,
    raw_upstream,
    rest_event,
    service,
)

# Over the wire


@pytest.mark.parametrize("failure", [AWAY, RESET, None])
def test_an_upstream_that_always_fails_is_asked_a_tenth_more_at_most(failure: bytes | None) -> None:
    """With the clock moved on, so that the breaker lets as many through as it ever does."""
    clock, attempts = Clock(), list[str]()
    with raw_upstream(failure or OK) as found:
        if failure is None:
            found.close()  # nobody listens
        asked = HttpUpstream(origin_of(found.url), rules=AddressRules(allow_loopback=True))

        def send(request: Outbound, *, timeout_s: float) -> UpstreamAnswer:
            attempts.append(request.target)
            return asked.send(request, timeout_s=timeout_s)

        app = gateway_app(service("user", found.url, clock=clock, send=send), routes=[PUBLIC])
        sent = 300
        for number in range(sent):
            assert ask_app(app)["statusCode"] in (502, 503)
            clock.now += COOLDOWN_S if number % 3 == 0 else 0.1
            assert len(attempts) <= 1.1 * (number + 1)
        assert sent / 10 < len(attempts) < sent / 2, "most of them the breaker has answered"
        assert found.connections == (len(attempts) if failure else 0)


def test_without_the_breaker_the_budget_alone_holds() -> None:
    with raw_upstream(AWAY) as found:
        there = service("user", found.url)
        there._breakers.record = lambda *_, **__: None  # type: ignore[method-assign]
        app = gateway_app(there, routes=[PUBLIC])
        for _ in range(200):
            assert ask_app(app)["statusCode"] == 503
        assert found.connections == 220


def test_an_open_breaker_answers_at_once_and_says_when_to_come_back() -> None:
    clock = Clock()
    with raw_upstream(AWAY) as found:
        app = gateway_app(service("user", found.url, clock=clock), routes=[PUBLIC])
        for _ in range(MIN_FAILURES):
            ask_app(app)
        asked = found.connections
        clock.now += 3
        answer = ask_app(app)
        assert problem_of(answer) == (503, "upstream_resting")
        assert answer["headers"]["Retry-After"] == "7"
        assert found.connections == asked


SIGNED_IN = GatewayRoute(upstream="user", prefix="/users")


def failing_below_bad(request: bytes) -> list[bytes]:
    return [AWAY if request.startswith(b"GET /users/bad") else OK]


def test_one_users_failing_requests_rest_the_upstream_for_nobody_else() -> None:
    clock = Clock()
    with raw_upstream(failing_below_bad) as found:
        app = gateway_app(service("user", found.url, clock=clock), routes=[SIGNED_IN])
        for _ in range(4 * MIN_FAILURES):
            app(rest_event("GET", "/users/bad", user="alice"), None)
        asked = found.connections
        assert asked == MIN_FAILURES, "she rests"
        assert problem_of(app(rest_event("GET", "/users/good", user="alice"), None)) == (
            503,
            "upstream_resting",
        )
        for user in ("bob", "carol"):
            assert app(rest_event("GET", "/users/good", user=user), None)["statusCode"] == 200
        clock.now += COOLDOWN_S
        assert app(rest_event("GET", "/users/good", user="alice"), None)["statusCode"] == 200


def test_where_nobody_signs_in_one_address_rests_the_upstream_for_no_other() -> None:
    def at(address: str, path: str) -> dict[str, Any]:
        event = rest_event("GET", path, user=None)
        event["requestContext"]["identity"]["sourceIp"] = address
        answer: dict[str, Any] = app(event, None)
        return answer

    with raw_upstream(failing_below_bad) as found:
        app = gateway_app(service("user", found.url), routes=[PUBLIC])
        for last in range(2 * MIN_FAILURES):
            at(f"2001:db8::{last}", "/users/bad")
        assert problem_of(at("2001:db8::ff", "/users/good")) == (503, "upstream_resting"), (
            "a customer's /64 is one"
        )
        assert at("2001:db8:1::1", "/users/good")["statusCode"] == 200


def test_an_upstream_that_fails_for_several_users_rests_for_all() -> None:
    with raw_upstream(failing_below_bad) as found:
        app = gateway_app(service("user", found.url), routes=[SIGNED_IN])
        for user in ("alice", "bob", "carol"):
            for _ in range(2):
                app(rest_event("GET", "/users/bad", user=user), None)
        assert found.connections == 5
        assert problem_of(app(rest_event("GET", "/users/good", user="dan"), None)) == (
            503,
            "upstream_resting",
        )


def test_half_open_under_threads_one_probe_goes_out() -> None:
    clock, release = Clock(), threading.Event()

    def slowly(_request: bytes) -> Any:
        release.wait(10)
        yield OK

    with raw_upstream(AWAY) as found:
        there = service("user", found.url, clock=clock)
        app = gateway_app(there, routes=[PUBLIC])
        for _ in range(MIN_FAILURES):
            ask_app(app)
        found.answer = slowly
        clock.now += COOLDOWN_S
        asked, outcomes = found.connections, list[int]()

        def one() -> None:
            try:
                sent = Outbound(method="GET", target="/", headers=(), body=b"")
                outcomes.append(there.ask(sent, caller="address:192.0.2.7", timeout_s=20).status)
            except Unavailable:
                outcomes.append(503)
                if outcomes.count(503) == 15:
                    release.set()

        threads = [threading.Thread(target=one) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == [200] + [503] * 15
        assert found.connections == asked + 1
        assert ask_app(app)["statusCode"] == 200


def test_an_upstreams_own_refusals_and_large_answers_open_nothing() -> None:
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + b"a" * 5_000_000
    for answer in (answering("500 Oops"), large):
        with raw_upstream(answer) as found:
            app = gateway_app(service("user", found.url), routes=[PUBLIC])
            for _ in range(2 * MIN_FAILURES):
                ask_app(app)
            assert found.connections == 2 * MIN_FAILURES


def test_early_hints_open_nothing() -> None:
    with raw_upstream(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + OK) as found:
        app = gateway_app(service("user", found.url), routes=[PUBLIC])
        assert [ask_app(app)["statusCode"] for _ in range(2 * MIN_FAILURES)] == [200] * 2 * MIN_FAILURES


def test_each_upstream_has_a_breaker_of_its_own() -> None:
    other = GatewayRoute(upstream="product", prefix="/products", public=True)
    with raw_upstream(AWAY) as bad, raw_upstream() as good:
        app = gateway_app(service("user", bad.url), service("product", good.url), routes=[PUBLIC, other])
        for _ in range(2 * MIN_FAILURES):
            ask_app(app)
        assert problem_of(ask_app(app))[1] == "upstream_resting"
        assert app(rest_event("GET", "/products"), None)["statusCode"] == 200


def test_logs_name_the_upstream_and_no_path_query_or_body(capsys: pytest.CaptureFixture[str]) -> None:
    from chalicelib import logs

    logs.configure("DEBUG")
    with raw_upstream(RESET) as found:
        app = gateway_app(service("user", found.url), routes=[PUBLIC])
        app(rest_event("POST", "/users/p-secret", query={"q": ["q-secret"]}, body=b"b-secret"), None)
    [line] = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert (entry["upstream"], entry["code"]) == ("user", "upstream_bad_answer")
    assert entry["request_id"] == "aws-request-id"
    assert "secret" not in line
