"""Events that nobody should send: strange requests from API Gateway, hostile parts in the pipeline's, dead letters."""

import copy
import itertools
import json
from collections.abc import Iterator
from typing import Any

import app
from chalicelib.events import handlers
from tests.hostile.asking import Ask, proper
from tests.hostile.strings import TEXTS
from tests.support.sample_api import rest_event, v2_event
from tests.support.world import World, jpeg


def pieces(event: dict[str, Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The event without each of its parts, and with each of them null or of another type."""
    for name in event:
        without = copy.deepcopy(event)
        del without[name]
        yield f"no {name}", without
        for value in (None, "", "x", "\ud800", "\r\nX: y", 0, True, [], ["x"], {}, {"x": None}, {"x": ["y"]}):
            yield f"{name} {value!r}", {**copy.deepcopy(event), name: value}
        if isinstance(event[name], dict):
            for what, part in pieces(event[name]):
                yield f"{name}.{what}", {**copy.deepcopy(event), name: part}


EVENTS = {
    "list": rest_event("GET", "/api/v1/items", multiValueQueryStringParameters={"limit": ["1"]}),
    "item": rest_event(
        "GET", "/api/v1/items/{item_id}", pathParameters={"item_id": "a"}, path="/api/v1/items/a"
    ),
    "search": rest_event(
        "POST",
        "/api/v1/search",
        headers={"content-type": "application/json", "Idempotency-Key": "a"},
        body='{"query": "a"}',
    ),
    "v2 item": v2_event("GET", "/api/v1/items/a", rawQueryString="a=1", cookies=["a=b"]),
    "v2 search": v2_event("POST", "/api/v1/search", body="eyJxdWVyeSI6ImEifQ==", isBase64Encoded=True),
}


NO_EVENTS = [None, [], "x", 1, {}, {"version": "2.0"}, {"version": "2.0", "rawPath": None}, {"rawPath": "/"}]


def test_a_strange_event_is_answered(ask: Ask) -> None:
    for given in EVENTS.values():
        for what, event in pieces(given):
            proper(app.app(event, None), what)
    for nothing in NO_EVENTS:
        proper(app.app(nothing, None), nothing)
    for body in ("x", "eyJxdWVyeSI6ImEifQ=", "é", "\ud800", "====", "e30=\n"):
        event = v2_event("POST", "/api/v1/search", body=body, isBase64Encoded=True)
        assert proper(app.app(event, None), body).status == 400


def test_pipeline_events_with_hostile_parts_harm_no_other(world: World) -> None:
    for text, name, kind in itertools.product(TEXTS, DETAIL, ("ImageProcessed", "AnalysisComplete")):
        world.deliver({"detail-type": kind, "detail": DETAIL | {name: text}})
    world.ingest("alice/a.jpg", jpeg())
    assert world.item("a")["status"] == "READY"


DETAIL = {"item_id": "a", "user_id": "alice", "bucket": "elsewhere", "original_key": "alice/a.jpg"}
DEEP = [
    "[" * 100_000,
    "[" * 990 + "]" * 990,
    '{"a":' * 400 + "1" + "}" * 400,
    '{"a":' * 900 + "1" + "}" * 900,
]
LONG = ["9" * 5_000, '"' + "x" * 250_000 + '"', '{"' + "token" * 50_000 + '": 1}', '"' + "a+" * 120_000 + '"']


def test_a_dead_letter_that_is_deep_or_long_is_kept(world: World) -> None:
    detail = {"user_id": "alice", "item_id": "x" * 100_000}
    unknown = json.dumps({"requestPayload": {"detail": detail, "detail-type": "ImageProcessed"}})
    for number, payload in enumerate([*DEEP, *LONG, unknown]):
        handlers.dead_letter(f"m-{number}", payload)
    assert world.sql("SELECT count(*) FROM dead_letters") == [(len(DEEP) + len(LONG) + 1,)]
