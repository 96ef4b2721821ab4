"""Embedders and rerankers: what each is sent, how texts are split into calls, and vectors that are none."""

import io
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from chalicelib import wiring
from chalicelib.errors import Misconfigured, Unavailable
from chalicelib.model.search.filters import Filters
from chalicelib.ops.search.prepare import prepare_query
from chalicelib.ops.search.rank import rank_pages
from chalicelib.providers import Pictured, Usage
from chalicelib.providers.models.bedrock_invoke import TitanMultimodal
from chalicelib.providers.models.embedder import HostedEmbedder, split_texts
from chalicelib.providers.models.embeddings_openai import OpenAIEmbeddings
from chalicelib.providers.models.voyage import VoyageMultimodal
from tests.models.making import AWS, EMBEDDERS, KEY, RERANKERS, Vendor, providers
from tests.support.model_server import ModelServer, Reply, embedding_list, model_server
from tests.support.world import World, jpeg

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
    "voyage multimodal": (
        "/v1/multimodalembeddings",
        {
            "inputs": [{"content": [{"type": "text", "text": "red apples"}]}],
            "model": "voyage-multimodal-3.5",
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
    "titan multimodal": (
        "/model/amazon.titan-embed-image-v1/invoke",
        {"inputText": "red apples", "embeddingConfig": {"outputEmbeddingLength": 2}},
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
    purpose = {"cohere on bedrock": "search_document"}.get(vendor.name)
    purpose = "document" if vendor.name.startswith("voyage") else purpose
    assert server.asked[0].body.get("input_type") == purpose


@every_embedder
def test_a_batch_of_chunks_is_one_call_where_the_provider_takes_one(
    server: ModelServer, vendor: Vendor
) -> None:
    server.vector = lambda text: [1.0, float(len(text if isinstance(text, str) else text[0]["text"]))]
    texts = ["word " * (1 + n % 60) for n in range(64)]  # what the pipeline asks for at once
    spent = list[Usage]()
    vectors = embedder(server, vendor).embed(texts, timeout_s=30, spend=spent.append)
    assert [second / first for first, second in vectors] == pytest.approx([len(text) for text in texts])
    assert len(server.asked) == len(spent) == (64 if "titan" in vendor.name else 1)


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
        "titan multimodal": {"inputTextTokenCount": 1, "embedding": None, "message": "no"},
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


def test_a_picture_is_embedded_with_its_text(server: ModelServer) -> None:
    api = VoyageMultimodal(
        base_url=f"{server.url}/v1", api_key=KEY, model="voyage-multimodal-3.5", dimensions=2
    )
    seeing = HostedEmbedder(providers(api), dimensions=2)
    small, large = jpeg(size=(64, 48)), jpeg(size=(2000, 1500))
    pictures = [Pictured(text="A cat.", jpeg=each) for each in (small, large)]
    assert seeing.sees_pictures
    assert seeing.embed(["no picture", *pictures], timeout_s=9) == [[0.6, 0.8]] * 3
    plain, first, second = (each["content"] for each in server.asked[0].body["inputs"])
    assert plain == [{"type": "text", "text": "no picture"}]
    assert first[0] == {"type": "text", "text": "A cat."}
    sent = [
        b64decode(each[1]["image_base64"].removeprefix("data:image/jpeg;base64,")) for each in (first, second)
    ]
    assert sent[0] == small
    width, height = Image.open(io.BytesIO(sent[1])).size
    assert 1_900_000 < width * height <= 2_000_000


def test_titan_gets_a_picture_by_itself_or_with_a_text(server: ModelServer) -> None:
    api = TitanMultimodal(base_url=server.url, model="amazon.titan-embed-image-v1", dimensions=2, **AWS)
    seeing, small = HostedEmbedder(providers(api), dimensions=2), jpeg(size=(64, 48))
    spent = list[Usage]()
    pictures = [Pictured(text=text, jpeg=small) for text in ("", "A cat.")]
    assert seeing.embed(pictures, timeout_s=9, spend=spent.append) == [[0.6, 0.8]] * 2
    alone, told = (asked.body for asked in server.asked)
    assert set(alone) == {"inputImage", "embeddingConfig"} and b64decode(alone["inputImage"]) == small
    assert (told["inputText"], told["inputImage"]) == ("A cat.", alone["inputImage"])
    assert [(each.pictures, each.input_tokens) for each in spent] == [(1, 0), (1, 7)]


def colour(content: Any) -> list[float]:
    """A space of three colours, which texts name and pictures show."""
    for part in content:
        if part["type"] == "image_base64":
            picture = Image.open(io.BytesIO(b64decode(part["image_base64"].partition(",")[2])))
            pixel: Any = picture.convert("RGB").resize((1, 1)).getpixel((0, 0))
            return [float(value) for value in pixel] + [0.0] * 253
    words = " ".join(part["text"] for part in content).lower()
    return [1.0 + 100 * (name in words) for name in ("red", "green", "blue")] + [0.0] * 253


def test_an_image_is_found_by_what_it_shows(
    world: World, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.vector = colour
    for name, value in {
        **{"VOYAGE_API_KEY": KEY, "EMBEDDING_PROVIDER": "voyage", "EMBEDDINGS_URL": f"{server.url}/v1"},
        **{"EMBEDDING_MODEL": "voyage-multimodal-3.5", "EMBEDDING_DIMENSIONS": "256"},
    }.items():
        monkeypatch.setenv(name, value)
    wiring.forget_all()
    for name, shown in (("one", "red"), ("two", "lime"), ("three", "blue")):
        world.ingest(f"alice/{name}.jpg", jpeg(shown))
    for query, item in (("something red", "one"), ("green things", "two"), ("blue", "three")):
        question = prepare_query(query, embedder=wiring.embedder(), mode="semantic")
        found = world.db.transact(
            "alice",
            lambda tx, q=question: rank_pages(tx, "alice", q, filters=Filters()),  # type: ignore[misc]
        )
        assert found and found.pages[0].key[0] == item, query
    assert "red" not in str(world.sql("SELECT text FROM chunks"))
