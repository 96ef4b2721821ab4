"""The providers' HTTP clients against a real server in a thread that gives real answers and bad ones."""

import json
import socket
import struct
import time
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from chalicelib.errors import BadFile, CollectionsError, InvalidInput, Misconfigured, Throttled, Unavailable
from chalicelib.providers import Analysis, AnalysisRequest
from chalicelib.providers.models.analyzer_local import LocalAnalyzer
from chalicelib.providers.models.embedder import HostedEmbedder
from tests.models.making import openai_embedder
from tests.support.model_provider import KEY, HttpReply, Provider


@pytest.fixture
def embedder(provider: Provider) -> HostedEmbedder:
    return openai_embedder(provider.url + "/v1/", key=KEY, model="m", dimensions=2)


def embeddings(body: Any) -> HttpReply:
    """For a text of n letters the vector (n, 2n), in base64, the rows in reverse order."""
    rows = [
        {"index": index, "embedding": b64encode(struct.pack("<2f", len(text), 2 * len(text))).decode()}
        for index, text in enumerate(body["input"])
    ]
    return 200, {}, json.dumps({"object": "list", "data": rows[::-1]}).encode()


def fixed(status: int, answer: object, **headers: str) -> Callable[[Any], HttpReply]:
    return lambda body: (status, headers, json.dumps(answer).encode())


def test_embed_returns_unit_vectors_in_the_order_of_the_texts(
    provider: Provider, embedder: HostedEmbedder
) -> None:
    provider.answer = lambda body: fixed(
        200, {"data": [{"index": 1, "embedding": [0, 9]}, {"index": 0, "embedding": [3, 4]}]}
    )(body)
    assert embedder.embed(["a", "b"], timeout_s=5) == [[0.6, 0.8], [0.0, 1.0]]


def test_embed_sends_batches_of_256_and_the_key_on_one_connection(
    provider: Provider, embedder: HostedEmbedder
) -> None:
    provider.answer = embeddings
    vectors = embedder.embed(["x" * (1 + i % 7) for i in range(300)], timeout_s=10)
    assert vectors == [pytest.approx([0.4472136, 0.8944272])] * 300
    assert [(path, key, len(body["input"])) for path, key, body in provider.asked] == [
        ("/v1/embeddings", f"Bearer {KEY}", 256),
        ("/v1/embeddings", f"Bearer {KEY}", 44),
    ]
    assert len(provider.connections) == 1


def test_embed_outlives_a_kept_connection_that_the_server_closed(
    provider: Provider, embedder: HostedEmbedder
) -> None:
    provider.answer, provider.close_after_answer = embeddings, True
    for _ in range(3):
        assert len(embedder.embed(["a"], timeout_s=5)) == 1
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (401, "invalid_api_key", Misconfigured),
        (403, None, Misconfigured),
        (404, "model_not_found", Misconfigured),
        (302, None, Misconfigured),
        (400, "model_not_found", Misconfigured),
        (429, "insufficient_quota", Misconfigured),
        (429, "rate_limit_exceeded", Throttled),
        (400, "context_length_exceeded", InvalidInput),
        (413, None, InvalidInput),
        (408, None, Unavailable),
        (500, None, Unavailable),
        (503, None, Unavailable),
    ],
)
def test_each_status_becomes_its_error_without_the_key(
    provider: Provider, embedder: HostedEmbedder, status: int, code: str | None, expected: type[Exception]
) -> None:
    message = f"Incorrect API key provided: {KEY}"
    provider.answer = fixed(status, {"error": {"message": message, "code": code}})
    with pytest.raises(CollectionsError) as raised:
        embedder.embed(["a"], timeout_s=5)
    assert type(raised.value) is expected
    assert str(status) in str(raised.value)
    assert KEY not in repr(raised.value)


def test_retry_after_is_read_as_seconds_and_as_a_date(provider: Provider) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=40)
    waits = []
    for header in ("17", format_datetime(moment, usegmt=True), "soon", "999999"):
        provider.answer = fixed(429, {}, **{"Retry-After": header})
        embedder = openai_embedder(provider.url, key=KEY, model="m", dimensions=2)
        with pytest.raises(Throttled) as raised:
            embedder.embed(["a"], timeout_s=5)
        waits.append(raised.value.retry_after_s)
    assert waits == [17.0, pytest.approx(39.5, abs=1.5), None, 3600.0]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"data": []}, "0 embeddings for 1 texts"),
        ({"data": [{"index": 5, "embedding": [1, 2]}]}, "1 embeddings for 1 texts"),
        ({"data": [{"index": 0, "embedding": [1, float("nan")]}]}, "no direction"),
        ({"data": [{"index": 0, "embedding": [0, 0]}]}, "no direction"),
        ({"data": [{"index": 0, "embedding": "%%%"}]}, "not a list of embeddings"),
        ({"data": [{"index": 0, "embedding": [10**400, 1]}]}, "not a list of embeddings"),
        ({"data": [{"index": "one", "embedding": [1, 2]}]}, "not a list of embeddings"),
        ({"data": [{"index": 0, "embedding": "YWJj"}]}, "not a list of embeddings"),
        ({"data": [None]}, "not a list of embeddings"),
        (["no"], "not a list of embeddings"),
    ],
)
def test_an_unusable_answer_is_unavailable(
    provider: Provider, embedder: HostedEmbedder, answer: object, says: str
) -> None:
    provider.answer = fixed(200, answer)
    with pytest.raises(Unavailable, match=says):
        embedder.embed(["a"], timeout_s=5)


def test_vectors_of_another_length_are_a_wrong_setting(provider: Provider, embedder: HostedEmbedder) -> None:
    provider.answer = fixed(200, {"data": [{"index": 0, "embedding": [1, 2, 3]}]})
    with pytest.raises(Misconfigured, match="3 dimensions where EMBEDDING_DIMENSIONS is 2") as raised:
        embedder.embed(["a"], timeout_s=5)
    assert raised.value.code == "wrong_dimensions"
    assert len(provider.asked) == 1


def test_an_answer_that_is_no_json_or_has_no_end_is_unavailable(provider: Provider) -> None:
    analyzer = LocalAnalyzer(base_url=provider.url)
    provider.answer = lambda body: (200, {}, b"<html>")
    with pytest.raises(Unavailable, match="not JSON"):
        analyzer.analyze(a_request(), timeout_s=5)
    provider.answer = lambda body: (200, {}, b" " * 9_000_000)
    with pytest.raises(Unavailable, match="more than"):
        analyzer.analyze(a_request(), timeout_s=5)
    provider.answer = fixed(200, an_answer())
    assert analyzer.analyze(a_request(), timeout_s=5).category == "photograph"


def test_a_slow_and_an_absent_provider_are_unavailable(provider: Provider) -> None:
    provider.delay_s = 0.5
    slow = openai_embedder(provider.url, key=KEY, model="m", dimensions=2)
    with pytest.raises(Unavailable, match="in time"):
        slow.embed(["a"], timeout_s=0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    absent = openai_embedder(f"http://127.0.0.1:{port}", key=KEY, model="m", dimensions=2)
    with pytest.raises(Unavailable, match="cannot be reached"):
        absent.embed(["a"], timeout_s=1)


@pytest.mark.parametrize(
    "url",
    ["ftp://h/v1", "https://", "https://user:pw@h/v1", "api.openai.com/v1", "https://h/v1?x=1", "https://h/a b",
     "https://h:99999/v1", "https://h/é"],
)  # fmt: skip
def test_a_base_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured):
        openai_embedder(url, key=None, model="m", dimensions=2)


def a_request() -> AnalysisRequest:
    return AnalysisRequest(kind="image", name="a.jpg", media_type="image/jpeg", preview_jpeg=b"jpeg", text="")


def an_answer(**changes: object) -> dict[str, object]:
    answer = {"category": "photograph", "summary": "A cat.", "labels": ["cat"], "text_in_image": "",
              "language": None, "provider": "local", "model": "m"}  # fmt: skip
    return {**answer, **changes}


def test_analyze_sends_the_request_and_returns_the_analysis(provider: Provider) -> None:
    provider.answer = fixed(200, an_answer(language="en"))
    analysis = LocalAnalyzer(base_url=provider.url).analyze(a_request(), timeout_s=5)
    assert analysis == Analysis(
        category="photograph", summary="A cat.", labels=("cat",), text_in_image="", language="en",
        provider="local", model="m",
    )  # fmt: skip
    assert provider.asked == [
        ("/analyze", None, {"kind": "image", "name": "a.jpg", "media_type": "image/jpeg",
                            "preview_jpeg": "anBlZw==", "text": "", "language_hint": None}),
    ]  # fmt: skip


def test_analyze_bounds_what_comes_back(provider: Provider) -> None:
    labels = ["", "a\0b", "a\0b", *(f"{i}-" + "x" * 100 for i in range(50))]
    provider.answer = fixed(200, an_answer(category="c" * 99, summary="\0 s" * 2000, labels=labels))
    analysis = LocalAnalyzer(base_url=provider.url).analyze(a_request(), timeout_s=5)
    assert (len(analysis.category), len(analysis.labels), analysis.labels[0]) == (64, 32, "ab")
    assert len(analysis.summary) <= 2000
    assert max(map(len, analysis.labels)) == 64
    assert "\0" not in analysis.summary


@pytest.mark.parametrize(
    "answer", [[], an_answer(labels="cat"), an_answer(labels=[3]), an_answer(summary=None)]
)
def test_an_analysis_of_the_wrong_form_is_unavailable(provider: Provider, answer: object) -> None:
    provider.answer = fixed(200, answer)
    with pytest.raises(Unavailable):
        LocalAnalyzer(base_url=provider.url).analyze(a_request(), timeout_s=5)


def test_a_file_that_the_analyzer_refuses_is_a_bad_file(provider: Provider) -> None:
    provider.answer = fixed(422, {"error": {"code": "undecodable"}})
    with pytest.raises(BadFile) as raised:
        LocalAnalyzer(base_url=provider.url).analyze(a_request(), timeout_s=5)
    assert raised.value.code == "analyzer_refused"


def test_a_page_that_is_read_is_sent_as_it_is_and_its_text_is_bounded(provider: Provider) -> None:
    analyzer = LocalAnalyzer(base_url=provider.url)
    provider.answer = fixed(200, {"text": "\0 One line.\nAnother. \n", "more": 1})
    assert analyzer.read_page(b"jpeg", timeout_s=5) == "One line.\nAnother."
    assert provider.asked == [("/read", None, {"page_jpeg": "anBlZw=="})]
    provider.answer = fixed(200, {"text": "x" * 200_000})
    assert len(analyzer.read_page(b"jpeg", timeout_s=5)) == 100_000
    for wrong in ([], {}, {"text": None}, {"text": ["a"]}):
        provider.answer = fixed(200, wrong)
        with pytest.raises(Unavailable):
            analyzer.read_page(b"jpeg", timeout_s=5)
    provider.answer = fixed(422, {"error": {"code": "undecodable"}})
    with pytest.raises(BadFile):
        analyzer.read_page(b"jpeg", timeout_s=5)
