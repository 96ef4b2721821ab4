"""The optional reranker: its wire format, what it changes in a search, and a search without it."""

import json
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.errors import InvalidInput, Misconfigured, Throttled, Unavailable
from chalicelib.model.search.filters import Filters
from chalicelib.ops.search.passages import find_passages
from chalicelib.providers.models.rerankers import HostedReranker, HttpRerank
from chalicelib.settings import InvalidSetting, Settings
from tests.models.making import providers
from tests.support.library_api import Api
from tests.support.model_provider import KEY, Provider
from tests.support.world import World, jpeg


def scores(rows: Any, key: str = "results") -> tuple[int, dict[str, str], bytes]:
    return 200, {}, json.dumps({key: rows}).encode()


@pytest.fixture
def reranker(provider: Provider) -> HostedReranker:
    return HostedReranker(providers(HttpRerank(base_url=f"{provider.url}/v2/", api_key=KEY, model="m")))


@pytest.mark.parametrize("key", ["results", "data"])
def test_scores_come_in_the_documents_order(provider: Provider, reranker: HostedReranker, key: str) -> None:
    rows = [{"index": 2, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.5}]
    provider.answer = lambda _: scores([*rows, {"index": 1, "relevance_score": -3}], key)
    assert reranker.rerank("q", ["a", "b", "c"], timeout_s=5) == [0.5, -3.0, 0.9]
    assert provider.asked == [
        ("/v2/rerank", f"Bearer {KEY}", {"model": "m", "query": "q", "documents": ["a", "b", "c"]})
    ]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{"index": 0, "relevance_score": 1}],
        [{"index": 0, "relevance_score": 1}, {"index": 0, "relevance_score": 1}],
        [{"index": 0, "relevance_score": 1}, {"index": 2, "relevance_score": 1}],
        [{"index": 0, "relevance_score": 1}, {"index": 1}],
        [{"index": 0, "relevance_score": 1}, {"index": 1, "relevance_score": "NaN"}],
        [{"index": [], "relevance_score": 1}],
        [{"index": 0, "relevance_score": 1}, {"index": "one", "relevance_score": 1}],
        [{"index": 0, "relevance_score": 10**400}, {"index": 1, "relevance_score": 1}],
        "none",
        None,
    ],
)
def test_what_is_no_score_a_document_is_unavailable(
    provider: Provider, reranker: HostedReranker, rows: Any
) -> None:
    provider.answer = lambda _: scores(rows)
    with pytest.raises(Unavailable):
        reranker.rerank("q", ["a", "b"], timeout_s=5)


@pytest.mark.parametrize("answer", [b"[]", b"7", b"{}", b"<html>"])
def test_what_is_no_answer_is_unavailable(
    provider: Provider, reranker: HostedReranker, answer: bytes
) -> None:
    provider.answer = lambda _: (200, {}, answer)
    with pytest.raises(Unavailable):
        reranker.rerank("q", ["a"], timeout_s=5)


@pytest.mark.parametrize(
    ("status", "error"), [(401, Misconfigured), (422, InvalidInput), (429, Throttled), (500, Unavailable)]
)
def test_a_refusal_keeps_its_kind_and_no_secret(
    provider: Provider, reranker: HostedReranker, status: int, error: type[Exception]
) -> None:
    provider.answer = lambda _: (status, {}, json.dumps({"message": KEY}).encode())
    with pytest.raises(error) as refused:
        reranker.rerank("q", ["a"], timeout_s=5)
    assert KEY not in str(refused.value)


@pytest.fixture
def apples(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for count, name in enumerate(("red-apple", "red-apple-tree", "steam-engine")):
        world.ingest(f"alice/{name}.jpg", jpeg(size=(40 + count, 40)))
    monkeypatch.setenv("RERANK_URL", f"{world.providers.url}/v2")
    monkeypatch.setenv("RERANK_MODEL", "rerank-v3.5")
    wiring.settings.forget()
    wiring.reranker.forget()


def test_the_reranker_has_the_last_word(apples: None, world: World, api: Api) -> None:
    answer = api(
        "POST", "/api/v1/search", {"query": "red apple", "explain": True, "limit": 2, "include_weaker": True}
    )[1]
    (asked,) = world.providers.asked
    assert (asked["model"], asked["query"], len(asked["documents"])) == ("rerank-v3.5", "red apple", 3)
    assert "engine" in asked["documents"][-1]
    first, second = answer["data"]
    assert (first["item_id"], first["score"], first["explain"]["rerank_score"]) == (
        "steam-engine",
        2 / 3,
        2 / 3,
    )
    assert second["item_id"] in ("red-apple", "red-apple-tree")
    assert answer["missing"] == []


@pytest.mark.parametrize("status", [401, 422, 429, 503])
def test_search_goes_on_without_it_and_says_so(apples: None, world: World, api: Api, status: int) -> None:
    world.providers.fail_with = [status]
    body = {"query": "red apple", "explain": True, "mode": "lexical"}
    found, answer, _ = api("POST", "/api/v1/search", body)
    assert (found, answer["missing"]) == (200, ["reranker"])
    assert [hit["item_id"] for hit in answer["data"]] == ["red-apple", "red-apple-tree"]
    assert answer["data"][0]["explain"]["rerank_score"] is None


def test_passages_are_reranked_too(apples: None, world: World) -> None:
    asked: dict[str, Any] = {"filters": Filters(), "max_tokens": 1024, "db": world.db}
    asked |= {"embedder": wiring.embedder(), "reranker": wiring.reranker()}
    plain = find_passages("alice", "red apple", **{**asked, "reranker": None}).passages
    found = find_passages("alice", "red apple", **asked)
    assert [passage.item_id for passage in plain] == ["red-apple", "red-apple-tree"]
    assert [passage.item_id for passage in found.passages] == ["red-apple-tree", "red-apple"]
    assert ([passage.score for passage in found.passages], found.missing) == ([0.5, 0.0], ())
    wiring.reranker.forget()
    world.providers.fail_with = [503, 503]
    found = find_passages("alice", "red apple", **{**asked, "reranker": wiring.reranker()})
    assert found.missing == ("semantic", "reranker")
    assert "apple" in found.passages[0].text


def test_nothing_found_asks_no_reranker(apples: None, world: World, api: Api) -> None:
    body = {"query": "zeppelin", "mode": "lexical"}
    assert api("POST", "/api/v1/search", body)[1] == {
        "object": "list",
        "data": [],
        "has_more": False,
        "next": None,
        "weaker": 0,
        "missing": [],
        "facets": None,
    }
    assert world.providers.asked == []


def test_without_settings_there_is_none_and_half_of_them_are_refused(world: World) -> None:
    assert wiring.reranker() is None
    required = {"DATABASE_URL": "postgresql://", "IMAGES_BUCKET": "b", "ANONYMOUS_USER": "alice"}
    with pytest.raises(InvalidSetting, match=r"^RERANK_MODEL"):
        Settings.from_env({**required, "RERANK_URL": "https://api.cohere.com/v2"})
