"""A file is uploaded, analyzed, embedded, found and asked about, wired as deployed, with each vendor's stand-in.

The key is random, the stand-in's errors repeat it, and it turns up nowhere: in no log, answer, event or row.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.model import prompts
from tests.support.model_server import Asked, ModelServer, Reply, model_server
from tests.support.talking import Talk, document
from tests.support.world import jpeg

DIMENSIONS = 256
TRUE = "The lighthouse keeper counts the ships every evening."
CAT = {
    "category": "photograph",
    "summary": "A cat sleeps on a garden wall.",
    "labels": ["cat", "wall"],
    "text_in_image": "KEEP OUT",
    "language": "en",
}
LETTER = {**CAT, "category": "letter", "summary": "About ships.", "labels": ["ships"], "text_in_image": ""}
SCHEMAS = {
    "analysis": lambda prompt: CAT if prompt["name"] == "cat.jpg" else LETTER,
    "page": lambda prompt: {"text": "A scanned page."},
    "question": lambda prompt: {"question": prompt["question"]},
    "answer": lambda prompt: {
        "sentences": [{"text": "The keeper counts the ships.", "citations": [{"passage": 1, "quote": TRUE}]}]
    },
}


def variables(vendor: str, url: str, key: str) -> dict[str, str]:
    if vendor == "anthropic and voyage":
        return {
            **{"ANTHROPIC_API_KEY": key, "ANALYZER_PROVIDER": "anthropic", "ANALYZER_URL": url},
            **{"CHAT_PROVIDER": "anthropic", "CHAT_URL": url, "CHAT_MODEL": ""},
            **{"VOYAGE_API_KEY": key, "EMBEDDING_PROVIDER": "voyage", "EMBEDDINGS_URL": f"{url}/v1"},
            **{"RERANK_PROVIDER": "voyage", "RERANK_URL": f"{url}/v1", "EMBEDDING_MODEL": ""},
        }
    if vendor == "openai":
        return {
            **{"OPENAI_API_KEY": key, "ANALYZER_PROVIDER": "openai", "ANALYZER_URL": f"{url}/v1"},
            **{"ANALYZER_MODEL": "gpt-4o", "CHAT_PROVIDER": "openai", "CHAT_URL": f"{url}/v1"},
            **{"CHAT_MODEL": "gpt-4o", "EMBEDDING_PROVIDER": "openai", "EMBEDDINGS_URL": f"{url}/v1"},
        }
    return {
        **{"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": url, "AWS_SECRET_ACCESS_KEY": key},
        **{"ANALYZER_PROVIDER": "bedrock", "ANALYZER_URL": "", "CHAT_PROVIDER": "bedrock"},
        **{"EMBEDDING_PROVIDER": "bedrock", "EMBEDDINGS_URL": "", "EMBEDDING_MODEL": ""},
        **{"RERANK_PROVIDER": "bedrock"},
    }


def title_of(asked: Asked) -> str:
    """The title of the schema that a request of any provider asks for; Bedrock's tool is called by it."""
    return re.findall(r'"(?:title|name)": "(analysis|page|question|answer)"', json.dumps(asked.body))[0]


def written(asked: Asked) -> Any:
    content = asked.body["messages"][-1]["content"]
    text = content if isinstance(content, str) else content[-1]["text"]
    return SCHEMAS[title_of(asked)](json.loads(text))


def bag_of_words(text: Any) -> list[float]:
    vector = [1e-3] * DIMENSIONS
    for word in re.findall(r"\w+", str(text).lower()):
        vector[hashlib.sha256(word.encode()).digest()[0]] += 1.0
    return vector


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as server:
        server.value, server.vector = written, bag_of_words
        yield server


@pytest.mark.parametrize("vendor", ["anthropic and voyage", "openai", "bedrock"])
def test_from_upload_to_answer(
    talk: Talk, server: ModelServer, vendor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    canary = f"sk-{secrets.token_hex(20)}"
    for name, value in variables(vendor, server.url, canary).items():
        talk.monkeypatch.setenv(name, value)
    talk.monkeypatch.setenv("EMBEDDING_DIMENSIONS", str(DIMENSIONS))
    talk.monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    wiring.forget_all()
    busy = Reply(503, {"error": {"type": "overloaded_error", "message": canary}, "detail": canary})
    server.script.append(busy)
    talk.world.ingest("alice/cat.jpg", jpeg())
    server.script.extend([Reply(401, {"error": {"message": f"Incorrect API key: {canary}"}})] * 2)
    talk.world.ingest("alice/keeper.pdf", document(TRUE))
    talk.world.heal()
    assert {talk.world.item(name)["status"] for name in ("cat", "keeper")} == {"READY"}
    replies = [talk("POST", "/api/v1/search", {"query": "sleeping cat on a wall"})]
    ids = [hit["item_id"] for hit in replies[0].body["data"]]
    # The stand-in's reranker has the last document for the best; OpenAI has none.
    assert ids == (["cat", "keeper"] if vendor == "openai" else ["keeper", "cat"])
    assert replies[0].body["missing"] == []
    answer = talk.answer(talk.begin(), "What does the lighthouse keeper count?")
    assert (answer["content"], answer["outcome"]) == ("The keeper counts the ships.", "answered")
    assert answer["provider"] == vendor.split()[0]
    assert (answer["input_tokens"], answer["output_tokens"]) == (16, 3)
    replies.append(talk("GET", "/api/v1/items/cat"))
    analysis = replies[-1].body["analysis"]
    assert {name: analysis[name] for name in CAT} == CAT
    replies += [
        talk("GET", path) for path in ("/api/v1/failures", "/api/v1/items/keeper/timeline", "/health")
    ]
    replies.append(talk("GET", "/api/v1/registration"))
    asked = {title_of(each) for each in server.asked if "messages" in each.body}
    assert asked == {"analysis", "answer"}
    said = capsys.readouterr()
    tables = talk.world.sql("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'")
    kept = [talk.world.sql(f"SELECT to_jsonb(t)::text FROM {name} t") for (name,) in tables]
    assert "keeper counts" in str(kept) and "Incorrect" not in str(kept)
    for where in (said.out, said.err, str(replies), str(answer), str(kept)):
        assert canary not in where


def test_a_prompt_is_sent_for_each_schema() -> None:
    assert SCHEMAS.keys() == {
        schema["title"] for schema in (prompts.ANALYSIS, prompts.PAGE, prompts.QUESTION, prompts.ANSWER)
    }
