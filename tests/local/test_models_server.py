"""The models' server as the app meets it: over HTTP, through the app's own clients."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from base64 import b64decode
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from chalicelib import wiring
from chalicelib.errors import BadFile, Misconfigured
from chalicelib.model.search.filters import Filters
from chalicelib.model.search.listing import Cut
from chalicelib.ops.search.search import search_items
from chalicelib.providers import AnalysisRequest
from chalicelib.providers.models.analyzer_local import LocalAnalyzer
from local.index_move import find_earlier_model, move_index, settings_of_move
from local.models.server import Models, ModelsServer
from local.models.wire import error_body
from tests.models.making import openai_embedder
from tests.support.scans import draw_page, joined, scanned_pdf
from tests.support.talking import Talk, document
from tests.support.world import World, forget_wiring

MODEL, DIMENSIONS = "minilm-e5-small", 768
SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="module")
def server() -> Iterator[ModelsServer]:
    with ModelsServer(0, Models()) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def post(server: ModelsServer, path: str, content: bytes) -> tuple[int, Any]:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.request("POST", path, content)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer


def test_embeddings_are_openais_form_and_the_same_in_both_encodings(server: ModelsServer) -> None:
    def embeddings(encoding: str) -> dict[str, Any]:
        body = {"model": MODEL, "input": ["a cat", "a dog"], "encoding_format": encoding}
        status, answer = post(server, "/v1/embeddings", json.dumps(body).encode())
        assert (status, answer["object"], answer["model"]) == (200, "list", MODEL)
        rows = [(row["object"], row["index"]) for row in answer["data"]]
        assert rows == [("embedding", 0), ("embedding", 1)]
        assert answer["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
        return answer

    floats = np.array([row["embedding"] for row in embeddings("float")["data"]], np.float32)
    decoded = [np.frombuffer(b64decode(row["embedding"]), "<f4") for row in embeddings("base64")["data"]]
    assert floats.shape == (2, DIMENSIONS)
    assert np.array_equal(floats, np.stack(decoded))


@pytest.mark.parametrize(
    ("content", "status", "param"),
    [
        (b"{", 400, None),
        (b"[]", 400, None),
        (b'{"model": "gpt", "input": "a"}', 404, "model"),
        (b'{"model": "minilm-e5-small", "input": []}', 400, "input"),
        (b'{"model": "minilm-e5-small", "input": [[1, 2]]}', 400, "input"),
        (b'{"model": "minilm-e5-small", "input": "a", "encoding_format": "hex"}', 400, "encoding_format"),
        (b'{"model": "minilm-e5-small", "input": "a", "input_type": "answer"}', 400, "input_type"),
    ],
)
def test_a_wrong_request_is_answered_in_openais_form(
    server: ModelsServer, content: bytes, status: int, param: str | None
) -> None:
    got, answer = post(server, "/v1/embeddings", content)
    error = answer["error"]
    assert (got, error["type"], error["param"]) == (status, "invalid_request_error", param)
    assert error["message"]


def test_a_body_that_is_too_large_is_refused_unread(server: ModelsServer) -> None:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.putrequest("POST", "/analyze")
    connection.putheader("Content-Length", "99999999999")
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_the_apps_embedder_finds_the_nearer_text(server: ModelsServer) -> None:
    url = f"http://127.0.0.1:{server.server_port}/v1"
    embedder = openai_embedder(url, key=None, model=MODEL, dimensions=DIMENSIONS)
    steel = [f"paragraph {i} about steel" for i in range(20)]
    texts = ["how to water tomatoes", *steel, "irrigating vegetables"]
    vectors = np.array(embedder.embed(texts, timeout_s=30))
    assert int((vectors[1:] @ vectors[0]).argmax()) == 20
    with pytest.raises(Misconfigured):
        openai_embedder(url, key=None, model="other", dimensions=DIMENSIONS).embed(["a"], timeout_s=5)


def test_a_query_in_another_language_is_compared_by_the_model_that_reads_it(server: ModelsServer) -> None:
    url = f"http://127.0.0.1:{server.server_port}/v1"
    embedder = openai_embedder(url, key=None, model=MODEL, dimensions=DIMENSIONS)
    texts = ["The Eiffel Tower is 330 metres tall.", "Bread is baked in an oven.", "Das Wetter ist schön."]
    documents = np.array(embedder.embed(texts, purpose="document", timeout_s=30))
    for question in ("Wie hoch ist der Eiffelturm?", "埃菲尔铁塔有多高？", "How tall is the Eiffel Tower?"):
        (vector,) = np.array(embedder.embed([question], purpose="query", timeout_s=30))
        near, *others = (documents @ vector).tolist()
        assert near > max(others) + 0.2, question
        assert bool(np.any(vector[:384])) == question.startswith("How")


def test_the_apps_analyzer_gets_a_description_or_a_bad_file(server: ModelsServer) -> None:
    analyzer = LocalAnalyzer(base_url=f"http://127.0.0.1:{server.server_port}")
    text = "The harbour office is open on weekdays. Boats must leave the harbour before the storm arrives."
    request = AnalysisRequest(
        kind="pdf", name="a.pdf", media_type="application/pdf", preview_jpeg=None, text=text
    )
    assert analyzer.analyze(request, timeout_s=30).language == "en"
    broken = AnalysisRequest(kind="image", name="a.jpg", media_type="image/jpeg", preview_jpeg=b"no", text="")
    with pytest.raises(BadFile):
        analyzer.analyze(broken, timeout_s=30)


def test_the_apps_analyzer_reads_a_page_or_has_a_bad_file(server: ModelsServer) -> None:
    analyzer = LocalAnalyzer(base_url=f"http://127.0.0.1:{server.server_port}")
    jpeg = io.BytesIO()
    draw_page(0, "The harbour office\nis open on Monday").save(jpeg, "JPEG")
    assert (
        analyzer.read_page(jpeg.getvalue(), timeout_s=60).split("\n")[-1].replace(" ", "") == "isopenonMonday"
    )
    with pytest.raises(BadFile):
        analyzer.read_page(b"no picture", timeout_s=30)
    assert post(server, "/read", b'{"page_jpeg": 7}') == (
        400,
        error_body("page_jpeg must be base64.", kind="invalid_request_error", param="page_jpeg"),
    )


def test_a_scanned_document_is_read_found_and_cited(
    server: ModelsServer, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page by the keyless models, from its pictures to a citation of its second page."""
    monkeypatch.setenv("ANALYZER_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("EMBEDDINGS_URL", f"http://127.0.0.1:{server.server_port}/v1")
    monkeypatch.setenv("EMBEDDING_MODEL", MODEL)
    monkeypatch.setenv("EMBEDDING_DIMENSIONS", str(DIMENSIONS))
    forget_wiring()
    letter = io.BytesIO()
    Image.open(SAMPLES / "scan0007.jpg").save(letter, "PDF")
    talk.world.ingest("alice/scan.pdf", joined(scanned_pdf([(1, "Post of the week")]), letter.getvalue()))
    document = talk("GET", "/api/v1/documents/scan").body
    assert (document["status"], document["unread_pages"]) == ("READY", 0)
    page = talk("GET", "/api/v1/documents/scan/pages/2").body
    assert page["source"] == "ocr" and "The saddle bag you\nasked about has arrived" in page["text"]
    answer = talk.answer(talk.begin(), "Where has the saddle bag arrived from?")
    (cited, *_) = answer["citations"]
    assert (cited["page"], cited["source"]) == (2, "ocr")
    assert page["text"][cited["page_start"] : cited["page_end"]] == cited["quote"]


def test_the_index_of_an_earlier_release_moves_while_it_is_searched(
    server: ModelsServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All is found before, half-way and after, a new file too. At the end another language is read."""

    def configure(model: str, dimensions: int) -> dict[str, str]:
        url = f"http://127.0.0.1:{server.server_port}/v1"
        given = {"EMBEDDINGS_URL": url, "EMBEDDING_MODEL": model, "EMBEDDING_DIMENSIONS": str(dimensions)}
        given |= settings_of_move(given, find_earlier_model(world.admin_url)) | {"ANONYMOUS_USER": "alice"}
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        forget_wiring()
        return given

    def first(query: str) -> str:
        found = search_items(
            "alice",
            query,
            filters=Filters(),
            cut=Cut(limit=3),
            db=wiring.database(),
            embedder=wiring.embedder(),
        )
        assert found.missing == ()
        return found.hits[0].passage.item_id

    said: list[str] = []
    configure("all-MiniLM-L6-v2", 384)
    world.ingest("alice/boats.pdf", document("Boats must leave the harbour before the storm arrives."))
    world.ingest("alice/bread.pdf", document("Bread is baked in a hot oven for an hour."))
    world.ingest("bob/rent.pdf", document("The rent is due on the first of each month."))
    assert find_earlier_model(world.admin_url) == ("all-MiniLM-L6-v2", 384)
    settings = configure(MODEL, DIMENSIONS)
    assert settings["NEXT_EMBEDDING_MODEL"] == "all-MiniLM-L6-v2"
    assert first("When do ships have to go?") == "boats"
    moving = move_index(world.admin_url, settings, say=said.append, is_over=threading.Event())
    assert moving is not None
    world.ingest("alice/garden.pdf", document("Tomatoes want water every second day."))
    assert first("How often do tomatoes want water?") == "garden"
    while moving.is_alive():
        world.wait()
        assert first("When do ships have to go?") == "boats"
        moving.join(0.2)
    assert find_earlier_model(world.admin_url) is None
    assert said[-1] == "the search index has moved to minilm-e5-small"
    assert first("Wie lange muss das Brot in den Ofen?") == "bread"
    assert settings_of_move(settings, None) == settings_of_move(settings, (MODEL, DIMENSIONS)) == {}
    assert move_index(world.admin_url, {}, say=said.append, is_over=threading.Event()) is None


def test_the_process_ends_with_whoever_holds_its_standard_input() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "local.models.server", "--port", "0"],
        cwd=Path(__file__).parents[2], start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith(b"models on http://127.0.0.1:")
        process.stdin.close()
        assert process.wait(10) == -signal.SIGKILL
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()
