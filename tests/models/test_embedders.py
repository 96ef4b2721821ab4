"""Embedders and rerankers: what each is sent, how texts are split into calls, and vectors that are none."""

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.errors import Misconfigured, Unavailable
from chalicelib.providers import Usage
from chalicelib.providers.models.embedder import HostedEmbedder, split_texts
from chalicelib.providers.models.embeddings_openai import OpenAIEmbeddings
from tests.models.making import EMBEDDERS, KEY, RERANKERS, Vendor, providers
from tests.support.model_server import ModelServer, Reply, embedding_list, model_server

every_embedder = pytest.mark.parametrize("vendor", EMBEDDERS, ids=lambda each: each.name)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as server:
        yield server


def embedder(server: ModelServer, vendor: Vendor) -> HostedEmbedder:
    return HostedEmbedder(providers(vendor.make(server.url)), dimensions=2)


SENT: dict[str, tuple[str, Any]] = {
    "voyage": (
        "/v1/embeddings",
        {
            "input": ["red apples"],
            "model": "voyage-4",
            "input_type": "query",
            "truncation": True,
            "output_dimension": 2,
            "encoding_format": "base64",
        },
    ),
    "openai": (
        "/v1/embeddings",
        {"model": "text-embedding-3-small", "input": ["red apples"], "encoding_format": "base64"},
    ),
    "titan": (
        "/model/amazon.titan-embed-text-v2:0/invoke",
        {"inputText": "red apples", "dimensions": 2, "normalize": True},
    ),
    "cohere on bedrock": (
        "/model/cohere.embed-v4:0/invoke",
        {
            "texts": ["red apples"],
            "input_type": "search_query",
            "embedding_types": ["float"],
            "truncate": "RIGHT",
            "output_dimension": 2,
        },
    ),
}


@every_embedder
def test_what_an_embedder_is_sent_for_a_query(server: ModelServer, vendor: Vendor) -> None:
    assert embedder(server, vendor).embed(["red apples"], purpose="query", timeout_s=9) == [[0.6, 0.8]]
    (asked,) = server.asked
    assert (asked.path, asked.body) == SENT[vendor.name]


@every_embedder
def test_documents_are_embedded_as_documents(server: ModelServer, vendor: Vendor) -> None:
    embedder(server, vendor).embed(["red apples"], timeout_s=9)
    purpose = {"voyage": "document", "cohere on bedrock": "search_document"}.get(vendor.name)
    assert server.asked[0].body.get("input_type") == purpose


@every_embedder
def test_a_batch_of_chunks_is_one_call_where_the_provider_takes_one(
    server: ModelServer, vendor: Vendor
) -> None:
    server.vector = lambda text: [1.0, float(len(text))]
    texts = ["word " * (1 + n % 60) for n in range(64)]  # what the pipeline asks for at once
    spent = list[Usage]()
    vectors = embedder(server, vendor).embed(texts, timeout_s=30, spend=spent.append)
    assert [second / first for first, second in vectors] == pytest.approx([len(text) for text in texts])
    assert len(server.asked) == len(spent) == (64 if vendor.name == "titan" else 1)


def test_openai_is_asked_for_fewer_dimensions_by_number(server: ModelServer) -> None:
    api = OpenAIEmbeddings(
        base_url=f"{server.url}/v1", api_key=KEY, model="text-embedding-3-large", dimensions=2
    )
    HostedEmbedder(providers(api), dimensions=2).embed(["a"], timeout_s=9)
    assert server.asked[0].body["dimensions"] == 2


def test_texts_are_split_by_number_and_by_tokens() -> None:
    texts = ["one two three"] * 5  # 3 tokens each by estimate, counted twice
    assert [len(b) for b in split_texts(texts, max_texts=2, max_tokens=1000)] == [2, 2, 1]
    assert [len(b) for b in split_texts(texts, max_texts=9, max_tokens=18)] == [3, 2]
    assert [len(b) for b in split_texts(texts, max_texts=9, max_tokens=1)] == [1] * 5
    assert list(split_texts([], max_texts=9, max_tokens=1)) == []


@every_embedder
def test_vectors_of_another_length_are_a_wrong_setting(server: ModelServer, vendor: Vendor) -> None:
    server.vector = lambda text: [1.0, 2.0, 3.0]
    with pytest.raises(Misconfigured, match="EMBEDDING_DIMENSIONS") as raised:
        embedder(server, vendor).embed(["a"], timeout_s=9)
    assert (raised.value.code, len(server.asked)) == ("wrong_dimensions", 1)


@every_embedder
@pytest.mark.parametrize("vector", [[float("nan"), 1.0], [float("inf"), 1.0], [0.0, 0.0]])
def test_a_vector_without_direction_is_unusable(
    server: ModelServer, vendor: Vendor, vector: list[float]
) -> None:
    server.vector = lambda text: vector
    with pytest.raises(Unavailable, match="no direction") as raised:
        embedder(server, vendor).embed(["a"], timeout_s=9)
    assert (raised.value.code, len(server.asked)) == ("unusable_answer", 1)


@every_embedder
def test_too_few_vectors_are_unusable(server: ModelServer, vendor: Vendor) -> None:
    none = {
        "titan": {"inputTextTokenCount": 1, "embedding": None},
        "cohere on bedrock": {"embeddings": {"float": []}},
    }
    server.script.append(Reply(body=none.get(vendor.name, embedding_list([], {}))))
    with pytest.raises(Unavailable) as raised:
        embedder(server, vendor).embed(["a"], timeout_s=9)
    assert raised.value.code == "unusable_answer"


@pytest.mark.parametrize("vendor", RERANKERS, ids=lambda each: each.name)
def test_what_a_reranker_is_sent(server: ModelServer, vendor: Vendor) -> None:
    vendor.ask(server.url)
    (asked,) = server.asked
    plain = {"query": "a query", "documents": ["one", "two"]}
    assert (asked.path, asked.body) == {
        "voyage": ("/v1/rerank", {"model": "rerank-2.5", **plain}),
        "cohere": ("/v2/rerank", {"model": "rerank-v3.5", **plain}),
        "bedrock": ("/model/cohere.rerank-v3-5:0/invoke", {**plain, "api_version": 2}),
    }[vendor.name]
