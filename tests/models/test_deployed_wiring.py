"""A file is uploaded, analyzed, embedded, found and asked about, wired as deployed, with each vendor's stand-in.

The key is random, the stand-in's errors repeat it, and it turns up nowhere: in no log, answer, event, trace or row.
"""

import secrets
from collections.abc import Iterator

import pytest

from chalicelib import wiring
from chalicelib.model import prompts
from tests.support.collector import CollectorServer, collector_server
from tests.support.model_server import ModelServer, Reply, model_server
from tests.support.talking import Talk, document
from tests.support.vendors import (
    CAT,
    DIMENSIONS,
    SCHEMAS,
    TRUE,
    bag_of_words,
    title_of,
    variables,
    written,
)
from tests.support.world import jpeg


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as server:
        server.value, server.vector = written, bag_of_words
        yield server


@pytest.fixture
def collector() -> Iterator[CollectorServer]:
    with collector_server() as server:
        yield server


@pytest.mark.parametrize("vendor", ["anthropic and voyage", "openai and cohere", "bedrock"])
def test_from_upload_to_answer(
    talk: Talk,
    server: ModelServer,
    collector: CollectorServer,
    vendor: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    canary = f"sk-{secrets.token_hex(20)}"
    for name, value in variables(vendor, server.url, canary).items():
        talk.monkeypatch.setenv(name, value)
    if "voyage" in vendor:
        talk.monkeypatch.setenv("PICTURE_EMBEDDING_PROVIDER", "voyage")
        talk.monkeypatch.setenv("PICTURE_EMBEDDINGS_URL", f"{server.url}/v1")
    talk.monkeypatch.setenv("EMBEDDING_DIMENSIONS", str(DIMENSIONS))
    talk.monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    talk.monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    talk.monkeypatch.setenv("TRACE_CONTENT", "true")
    talk.monkeypatch.setenv("JUDGE_ANSWERS", "true")
    wiring.forget_all()
    busy = Reply(503, {"error": {"type": "overloaded_error", "message": canary}, "detail": canary})
    server.script.append(busy)
    talk.world.ingest("alice/cat.jpg", jpeg())
    server.script.extend([Reply(401, {"error": {"message": f"Incorrect API key: {canary}"}})] * 2)
    talk.world.ingest("alice/keeper.pdf", document(TRUE))
    talk.world.heal()
    assert {talk.world.item(name)["status"] for name in ("cat", "keeper")} == {"READY"}
    replies = [talk("POST", "/api/v1/search", {"query": "sleeping cat on a wall", "include_weaker": True})]
    ids = [hit["item_id"] for hit in replies[0].body["data"]]
    assert ids == ["keeper", "cat"], "the stand-in's reranker has the last document for the best"
    assert replies[0].body["missing"] == []
    answer = talk.answer(talk.begin(), "What does the lighthouse keeper count?")
    assert (answer["content"], answer["outcome"]) == ("The keeper counts the ships.", "answered")
    assert answer["provider"] == vendor.split()[0]
    assert (answer["input_tokens"], answer["output_tokens"]) == (32, 6), "written, then judged"
    replies.append(talk("GET", "/api/v1/items/cat"))
    analysis = replies[-1].body["analysis"]
    assert {name: analysis[name] for name in CAT} == CAT
    replies += [
        talk("GET", path) for path in ("/api/v1/failures", "/api/v1/items/keeper/timeline", "/health")
    ]
    replies.append(talk("GET", "/api/v1/registration"))
    asked = {title_of(each) for each in server.asked if "messages" in each.body}
    assert asked == {"analysis", "answer", "verdicts"}
    traced = [each.body for each in collector.received]
    assert b"chat" in b"".join(traced)
    said = capsys.readouterr()
    tables = talk.world.sql("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'")
    kept = [talk.world.sql(f"SELECT to_jsonb(t)::text FROM {name} t") for (name,) in tables]
    assert "keeper counts" in str(kept) and "Incorrect" not in str(kept)
    for where in (said.out, said.err, str(replies), str(answer), str(kept), str(traced)):
        assert canary not in where


def test_a_prompt_is_sent_for_each_schema() -> None:
    assert SCHEMAS.keys() == {
        schema["title"]
        for schema in (prompts.ANALYSIS, prompts.PAGE, prompts.QUESTION, prompts.ANSWER, prompts.VERDICTS)
    }
