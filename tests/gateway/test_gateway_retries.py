"""Requests that the gateway repeats, and the time that it has for that."""

from typing import Any

import pytest

from chalicelib.model.gateway.gateway import Outbound, UpstreamAnswer
from tests.support.gateway_table import AWAY, PUBLIC, Clock, ask_app
from tests.support.upstreams import OK, RESET, RawUpstream, answering, gateway_app, raw_upstream, service


def rich(found: RawUpstream) -> Any:
    """Return an app whose budget has retries to spend."""
    there = service("user", found.url)
    for _ in range(100):
        there._budget.deposit()
    return gateway_app(there, routes=[PUBLIC])


@pytest.mark.parametrize(
    ("method", "times"),
    [("GET", 2), ("HEAD", 2), ("OPTIONS", 2), ("PUT", 2), ("DELETE", 2), ("POST", 1), ("PATCH", 1)],
)
@pytest.mark.parametrize("status", ["502 Bad", "503 Away", "504 Late"])
def test_only_what_may_be_done_twice_is_sent_twice(method: str, times: int, status: str) -> None:
    with raw_upstream(answering(status)) as found:
        answer = ask_app(rich(found), method)
        assert (answer["statusCode"], len(found.requests)) == (int(status[:3]), times)
        assert len(set(found.requests)) == 1, "and is the same"


@pytest.mark.parametrize(
    "answer", [answering("500 Oops"), answering("429 Slow"), answering("404 No"), RESET, b"x"]
)
def test_nothing_else_is_tried_again(answer: bytes) -> None:
    with raw_upstream(answer) as found:
        ask_app(rich(found))
        assert found.connections == 1


def test_a_second_attempt_may_succeed() -> None:
    answers = iter([AWAY, OK])
    with raw_upstream(lambda _: [next(answers)]) as found:
        assert ask_app(rich(found))["statusCode"] == 200


def test_a_retry_has_what_is_left_of_the_time() -> None:
    clock, left = Clock(), list[float]()

    def send(_request: Outbound, *, timeout_s: float) -> UpstreamAnswer:
        left.append(timeout_s)
        clock.now += 4.0
        return UpstreamAnswer(status=503, headers=(), body=b"")

    there = service("user", "http://users.example", clock=clock, send=send)
    for _ in range(100):
        there._budget.deposit()
    there.ask(Outbound(method="GET", target="/", headers=(), body=b""), caller="user:a", timeout_s=5.0)
    assert left == [5.0, 1.0]
    there.ask(Outbound(method="GET", target="/", headers=(), body=b""), caller="user:a", timeout_s=4.0)
    assert left == [5.0, 1.0, 4.0]
