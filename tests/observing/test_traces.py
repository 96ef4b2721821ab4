"""Traces: one through requests, queues, events and models; no collector costs or fails a request."""

import json
import socket
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.errors import InvalidSetting
from chalicelib.events import handlers
from chalicelib.providers.http.dial import ExchangeFailed
from chalicelib.providers.tracing.collectors import TIMEOUT_S, Collector, Exporter
from chalicelib.settings.tracing import tracing_settings
from chalicelib.tracing import spans, xray
from chalicelib.tracing.spans import parse_traceparent
from tests.support.collector import CollectorServer, attributes, collector_server
from tests.support.talking import Talk, document
from tests.support.world import World, context, jpeg

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
FACT = "The lighthouse keeper counts the ships that pass at night."


@pytest.fixture(autouse=True)
def nothing_traced() -> None:
    spans.take_finished()


@pytest.fixture
def collector() -> Iterator[CollectorServer]:
    with collector_server() as server:
        yield server


@pytest.fixture
def traced(talk: Talk, collector: CollectorServer) -> Talk:
    talk.monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    talk.monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=search%20team")
    wiring.settings.forget()
    return talk


def cite(asked: Any) -> Any:
    if "passages" not in asked:
        return {"question": asked["question"]}
    return {"sentences": [{"text": FACT, "citations": [{"passage": 1, "quote": FACT}]}]}


@pytest.mark.parametrize(
    "given",
    [
        *(None, 7, "", "00", b"00", ["00"], {"00": 1}, "x" * 10_000),
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}-01\r\nX-Evil: 1",
        f"00-{TRACE}-{PARENT}-01,00-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-0g",
        f"01-{TRACE}-{PARENT}-01-{'x' * 300}",
    ],
)
def test_what_is_no_traceparent_is_ignored(given: Any) -> None:
    assert parse_traceparent(given) is None
    with spans.continued(given), spans.span("one") as span:
        assert span.parent_id is None and span.trace_id != TRACE


def test_a_traceparent_is_continued() -> None:
    for given in (TRACEPARENT, f"cc-{TRACE}-{PARENT}-01-what-is-to-come"):
        with spans.continued(given), spans.span("one") as span:
            assert spans.traceparent() == f"00-{TRACE}-{span.span_id}-01"
    assert (span.trace_id, span.parent_id, len(spans.take_finished())) == (TRACE, PARENT, 2)
    with spans.continued(f"00-{TRACE}-{PARENT}-00"), spans.span("two") as span:
        assert spans.traceparent() == f"00-{TRACE}-{span.span_id}-00"
    assert spans.take_finished() == [], "the caller does not sample it"
    assert spans.traceparent() is None


def test_one_trace_goes_through_the_pipeline(traced: Talk, collector: CollectorServer) -> None:
    world = traced.world
    world.deliver(world.put("alice/a.jpg", jpeg()))
    (message,) = world.messages()
    world.deliver(message)
    (message,) = world.messages()
    (event,) = world.published()
    body = json.loads(message["body"])
    assert body["traceparent"] == event["detail"]["traceparent"]
    world.run(message)
    assert world.item("a")["status"] == "READY"
    found = {span.name: span for span in collector.spans()}
    chain = ["Object Created", "task process", "task analyze", "task embed", "embeddings test-embedding"]
    assert {found[name].trace_id for name in chain} == {found["task process"].trace_id}
    for before, after in pairwise(chain):
        assert found[after].parent_span_id == found[before].span_id
    assert attributes(found["task embed"])["collections.task.outcome"] == "done"
    assert b"a.jpg" not in b"".join(each.body for each in collector.received), "a file's name is its user's"
    received = collector.received[0]
    assert (received.path, received.headers["x-team"]) == ("/v1/traces", "search team")


def test_hostile_traces_in_messages_and_events_do_no_harm(traced: Talk) -> None:
    world = traced.world
    world.deliver(world.put("alice/a.jpg", jpeg()))
    (message,) = world.messages()
    body = json.loads(message["body"])
    world.deliver({"body": json.dumps(body | {"traceparent": {"x": [TRACEPARENT] * 500}})})
    (event,) = world.published()
    event["detail"]["traceparent"] = "00-" + "z" * 5000
    handlers.event_received(event, context())
    world.run()
    assert world.item("a")["status"] == "READY"


def test_a_request_and_its_model_calls(traced: Talk, collector: CollectorServer) -> None:
    traced.world.ingest("alice/keeper.pdf", document(FACT))
    traced.use_model(cite)
    place = traced.begin()
    collector.received.clear()
    reply = traced.ask(place, "What does the keeper count?", headers={"traceparent": TRACEPARENT})
    assert reply.status == 201, reply
    request = collector.named("POST /api/v1/conversations/{conversation_id}/messages")
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, PARENT)
    assert attributes(request) == {
        "http.request.method": "POST",
        "http.route": "/api/v1/conversations/{conversation_id}/messages",
        "http.response.status_code": 201,
    }
    assert {span.trace_id.hex() for span in collector.spans()} == {TRACE}
    call = collector.named("chat stub-1")
    assert call.kind == 3 and call.end_time_unix_nano > call.start_time_unix_nano > 10**18
    assert call.parent_span_id == collector.named("task answer").span_id
    assert attributes(call) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "stub-1",
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.usage.cache_creation.input_tokens": 0,
        "gen_ai.usage.output_tokens": 7,
    }
    (resource,) = collector.requests()[0].resource_spans
    about = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert about["service.name"] == "collections" and about["deployment.environment.name"] == "local"
    assert "lighthouse" not in str(collector.received) and "keeper" not in str(collector.received)
    assert traced.world.providers.traceparents[-1] == f"00-{TRACE}-{call.span_id.hex()}-01"


def test_prompts_and_answers_are_traced_where_a_setting_allows_it(
    traced: Talk, collector: CollectorServer
) -> None:
    traced.monkeypatch.setenv("TRACE_CONTENT", "true")
    wiring.exporter.forget()
    traced.world.ingest("alice/keeper.pdf", document(FACT))
    traced.use_model(cite)
    traced.answer(traced.begin(), "What does the keeper count?")
    told = attributes(collector.named("chat stub-1"))
    (asked,) = json.loads(told["gen_ai.input.messages"])
    assert (asked["role"], "lighthouse keeper" in asked["parts"][0]["content"]) == ("user", True)
    assert FACT in json.loads(told["gen_ai.output.messages"])[0]["parts"][0]["content"]
    assert "passages" in json.loads(told["gen_ai.system_instructions"])[0]["content"]


def test_what_fails_says_why(traced: Talk, collector: CollectorServer) -> None:
    traced.world.providers.fail_with = [503]
    traced.world.ingest("alice/a.jpg", jpeg())
    task, *again = [span for span in collector.spans() if span.name == "task analyze"]
    assert [span.status.code for span in again] == [0]
    assert (task.status.code, attributes(task)["error.type"]) == (2, "unavailable")
    assert traced("GET", "/api/v1/items/<none>").status == 404
    assert collector.spans()[-1].status.code == 0


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n",
        b"garbage\r\n\r\n",
    ],
)
def test_a_collector_that_hangs_or_fails_costs_one_short_wait(
    traced: Talk, collector: CollectorServer, answer: bytes | None
) -> None:
    collector.answer = answer
    began = time.monotonic()
    assert [traced("GET", "/api/v1/items").status for _ in range(5)] == [200] * 5
    assert time.monotonic() - began < 10 * TIMEOUT_S + 5
    assert len(collector.received) == 1, "it is not asked again for a while"


def test_no_collector_is_there(traced: Talk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    traced.monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    wiring.exporter.forget()
    wiring.settings.forget()
    assert traced("GET", "/api/v1/items").status == 200


def test_all_collectors_share_one_deadline() -> None:
    now, deadlines = [100.0], []

    class Slow(Collector):
        def send(self, body: bytes, *, give_up_at: float) -> None:
            deadlines.append(give_up_at)
            now[0] = give_up_at
            raise ExchangeFailed("timeout")

    slow = [
        Slow(name=name, url="http://127.0.0.1:1", headers={}, with_content=False) for name in ("one", "two")
    ]
    exporter = Exporter(slow, resource={}, clock=lambda: now[0])
    with spans.span("one"):
        pass
    exporter.export(spans.take_finished())
    assert deadlines == [pytest.approx(100.1), pytest.approx(100.2)]
    exporter.export([])
    assert len(deadlines) == 2, "they rest"
    now[0] += 60
    exporter.export([])
    assert len(deadlines) == 4


def test_langsmith_gets_traces_where_its_key_is(talk: Talk, collector: CollectorServer) -> None:
    for name, value in {
        "LANGSMITH_API_KEY": "lsv2_pt_of_the_tests",
        "LANGSMITH_ENDPOINT": collector.url,
        "LANGSMITH_PROJECT": "collections",
    }.items():
        talk.monkeypatch.setenv(name, value)
    wiring.settings.forget()
    talk("GET", "/api/v1/items")
    assert collector.received == [], "on a laptop a key alone sends nothing away"
    talk.monkeypatch.setenv("LANGSMITH_TRACING", "true")
    wiring.settings.forget()
    wiring.exporter.forget()
    talk("GET", "/api/v1/items")
    (received,) = collector.received
    assert received.path == "/otel/v1/traces"
    assert received.headers["x-api-key"] == "lsv2_pt_of_the_tests"
    assert received.headers["Langsmith-Project"] == "collections"
    assert b"lsv2" not in received.body


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://x"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "no header"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=b%0d%0ac: d"),
        ("LANGSMITH_ENDPOINT", "x"),
        ("LANGSMITH_API_KEY", "a\nb"),
        ("TRACE_CONTENT", "yes"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting, match=f"^{name}: "):
        tracing_settings({name: value}, local=False)


def test_xray_gets_subsegments_of_lambdas_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(10)
        host, port = daemon.getsockname()
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"{host}:{port}")
        monkeypatch.setenv(
            "_X_AMZN_TRACE_ID", f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={PARENT};Sampled=1;Lineage=a:b"
        )
        world.deliver(world.put("alice/a.jpg", jpeg()))
        header, _, text = daemon.recv(65536).partition(b"\n")
        segment = json.loads(text)
        assert json.loads(header) == {"format": "json", "version": 1}
        assert segment["trace_id"] == f"1-{TRACE[:8]}-{TRACE[8:]}"
        assert (segment["parent_id"], segment["type"], segment["name"]) == (
            PARENT,
            "subsegment",
            "Object Created",
        )
        assert segment["end_time"] >= segment["start_time"] > 1_700_000_000
        (message,) = world.messages()
        assert json.loads(message["body"])["traceparent"].split("-")[1] == TRACE
    assert list(xray.subsegments([], None)) == []
    with spans.span("a|b", kind="client"):
        pass
    finished = spans.take_finished()
    assert list(xray.subsegments(finished, f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={PARENT};Sampled=0")) == []
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", "no address")
    world.deliver(message)
    assert world.item("a")["status"] == "PROCESSING" or world.item("a")["status"] == "ANALYZING"
